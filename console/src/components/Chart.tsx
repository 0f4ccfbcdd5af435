/** A chart that is loaded after the page stands. */
import { lazy, Suspense } from "react";
import { Bones } from "./parts";

export interface Line {
  name: string;
  points: readonly (readonly [time: number, value: number | null])[];
  kind?: "line" | "bar";
  /** Shown in the colour of trouble. */
  bad?: boolean;
}
export interface ChartProps {
  /** What it shows, for people who do not see it. */
  title: string;
  lines: readonly Line[];
  unit?: string;
  format?: (value: number) => string;
  tall?: boolean;
  /** The values are whole numbers. */
  whole?: boolean;
  dark?: boolean;
}

const Drawn = lazy(() => import("./DrawnChart"));

export function Chart(props: ChartProps) {
  return (
    <Suspense fallback={<Bones lines={6} />}>
      <Drawn {...props} />
    </Suspense>
  );
}
