/** Parents, versions and children of a record, from left to right. */
import { useNavigate } from "react-router";
import { short } from "../lib/format";
import { recordPath } from "../lib/links";
import { useText } from "../lib/text";
import type { Graph } from "../lib/types";
import { Nothing } from "./parts";

const WIDTH = 190;
const HEIGHT = 52;
const GAP_X = 70;
const GAP_Y = 18;

/** Column of each node: one more than the greatest of its parents. */
export function columns(names: readonly string[], edges: Graph["edges"]): Map<string, number> {
  const found = new Map(names.map((name) => [name, 0]));
  // As many rounds as nodes settle every graph without a circle; records have none.
  for (let round = 0; round < names.length; round += 1) {
    let changed = false;
    for (const { from, to } of edges) {
      const wanted = (found.get(from) ?? 0) + 1;
      if (found.has(to) && wanted > (found.get(to) ?? 0) && wanted < names.length) {
        found.set(to, wanted);
        changed = true;
      }
    }
    if (!changed) break;
  }
  return found;
}

export function RecordGraph(props: { graph: Graph }) {
  const { t } = useText();
  const navigate = useNavigate();
  const { nodes, edges } = props.graph;
  if (nodes.length === 0) return <Nothing />;
  const column = columns(
    nodes.map((one) => one.id),
    edges,
  );
  const filled = new Map<number, number>();
  const placed = new Map(
    nodes.map((one) => {
      const at = column.get(one.id) ?? 0;
      const line = filled.get(at) ?? 0;
      filled.set(at, line + 1);
      return [one.id, { one, x: at * (WIDTH + GAP_X) + 2, y: line * (HEIGHT + GAP_Y) + 2 }];
    }),
  );
  const width = (Math.max(...filled.keys()) + 1) * (WIDTH + GAP_X) - GAP_X + 4;
  const height = Math.max(...filled.values()) * (HEIGHT + GAP_Y) - GAP_Y + 4;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must take the focus
    <section className="graph" tabIndex={0} aria-label={t("record.graph")}>
      <svg width={width} height={height} aria-label={t("record.graph")}>
        {edges.map(({ from, to }) => {
          const [one, two] = [placed.get(from), placed.get(to)];
          if (!one || !two) return null;
          const [x1, y1] = [one.x + WIDTH, one.y + HEIGHT / 2];
          const [x2, y2] = [two.x, two.y + HEIGHT / 2];
          const middle = (x1 + x2) / 2;
          return (
            <path
              key={`${from} ${to}`}
              d={`M${x1},${y1} C${middle},${y1} ${middle},${y2} ${x2},${y2}`}
            />
          );
        })}
        {[...placed].map(([name, { one, x, y }]) => {
          const { key, namespace, version } = one;
          const here = name === props.graph.start;
          const to = recordPath(namespace, key, version);
          return (
            <a
              key={name}
              className={here ? "node here" : "node"}
              aria-current={here ? "page" : undefined}
              href={to}
              onClick={(event) => {
                event.preventDefault();
                navigate(to);
              }}
            >
              <rect x={x} y={y} width={WIDTH} height={HEIGHT} rx={8} />
              <text x={x + 12} y={y + 21}>
                {short(key, 16, 6)}
              </text>
              <text className="sub" x={x + 12} y={y + 39}>
                {t("version")} {one.version}
              </text>
            </a>
          );
        })}
      </svg>
    </section>
  );
}
