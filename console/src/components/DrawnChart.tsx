/** Draws with ECharts; a chunk of its own. */
import { BarChart, LineChart } from "echarts/charts";
import {
  AriaComponent,
  GridComponent,
  LegendComponent,
  TooltipComponent,
} from "echarts/components";
import { init, use } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";
import { useEffect, useRef } from "react";
import { grouped } from "../lib/format";
import { PALETTE, useTheme } from "../lib/theme";
import type { ChartProps } from "./Chart";

use([
  AriaComponent,
  BarChart,
  CanvasRenderer,
  GridComponent,
  LegendComponent,
  LineChart,
  TooltipComponent,
]);

const SERIES = {
  light: ["#2b6cb8", "#1f8a57", "#b8740f", "#8a4bb0", "#b3403a", "#3d7f8c"],
  dark: ["#69b4ff", "#5fd6a0", "#ffc76b", "#c79bf0", "#ff8d84", "#7fd3e0"],
};

export default function DrawnChart(props: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const { mode } = useTheme();
  const shade = props.dark ? "dark" : mode;
  useEffect(() => {
    if (!place.current) return undefined;
    const chart = init(place.current);
    const watch = new ResizeObserver(() => chart.resize());
    watch.observe(place.current);
    chart.setOption(options(props, shade));
    return () => {
      watch.disconnect();
      chart.dispose();
    };
  }, [props, shade]);
  return (
    <figure aria-label={props.title} role="img">
      <div ref={place} className={props.tall ? "chart tall" : "chart"} />
    </figure>
  );
}

/** Whether all values are whole: then no tick between two of them means anything. */
function countsOnly(lines: ChartProps["lines"]): boolean {
  return lines.every((line) => line.points.every(([, value]) => Number.isInteger(value ?? 0)));
}

function options(props: ChartProps, shade: "light" | "dark") {
  const colours = PALETTE[shade];
  const format = props.format ?? ((value: number) => grouped(Math.round(value * 100) / 100));
  const text = { color: colours.muted, fontFamily: "inherit" };
  return {
    animation: false,
    color: SERIES[shade],
    aria: { enabled: true },
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    grid: {
      left: 8,
      right: 14,
      top: props.lines.length > 1 ? 34 : 14,
      bottom: 4,
      containLabel: true,
    },
    legend:
      props.lines.length > 1
        ? { type: "scroll", top: 0, textStyle: text, icon: "roundRect" }
        : undefined,
    tooltip: {
      trigger: "axis",
      backgroundColor: colours.surface,
      borderColor: colours.border,
      textStyle: { color: colours.text },
      valueFormatter: (value: unknown) =>
        typeof value === "number" ? `${format(value)} ${props.unit ?? ""}` : "–",
    },
    xAxis: {
      type: "time",
      axisLabel: { ...text, hideOverlap: true },
      axisLine: { lineStyle: { color: colours.border } },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      minInterval: props.whole || countsOnly(props.lines) ? 1 : undefined,
      axisLabel: { ...text, formatter: (value: number) => format(value) },
      splitLine: { lineStyle: { color: colours.border } },
    },
    series: props.lines.map((line) => ({
      name: line.name,
      type: line.kind ?? "line",
      data: line.points.map((point) => [...point]),
      showSymbol: false,
      barMaxWidth: 18,
      lineStyle: { width: 1.8 },
      color: line.bad ? SERIES[shade][4] : undefined,
      stack: line.kind === "bar" ? "all" : undefined,
      areaStyle: props.lines.length === 1 && line.kind !== "bar" ? { opacity: 0.1 } : undefined,
    })),
  };
}
