// SPDX-License-Identifier: BSD-3-Clause
/**
 * Ratios of interleaved runs. A shared machine steals processor time in bursts, so that an absolute time means little:
 * runs come in rounds, a pair counts only when little was stolen from both, and what is reported is the ratio of the
 * minima and the median of the paired ratios (performance notes of docs/platforms.md).
 */

export interface ISample {
  readonly milliseconds: number;
  /** Fraction of the run's time (of one processor) that the host took away. */
  readonly stolen: number;
}

export interface IComparison {
  readonly label: string;
  /** Ours over theirs; smaller is better. */
  readonly minimum: number;
  readonly median: number;
  readonly ours: number;
  readonly theirs: number;
  readonly pairs: number;
  readonly dropped: number;
  readonly goal?: number;
}

/** A pair of runs counts when at most this fraction was stolen from either. */
export const MOST_STOLEN = 0.03;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[middle]];
  return (low + high) / 2;
}

/** Compares two series run alternately. @throws Error when too few pairs were quiet to say anything. */
export function compare(
  label: string,
  ours: readonly ISample[],
  theirs: readonly ISample[],
  goal?: number
): IComparison {
  const pairs = ours.flatMap((sample, index) => {
    const other = theirs[index];
    return other === undefined ? [] : [[sample, other] as const];
  });
  const quiet = pairs.filter(pair => pair.every(({ stolen }) => stolen <= MOST_STOLEN));
  if (quiet.length === 0) {
    throw new Error(`${label}: in none of ${pairs.length} pairs was the machine left alone; run the bench again`);
  }
  const [a, b] = [0, 1].map(side => Math.min(...quiet.map(pair => pair[side]?.milliseconds ?? Number.NaN)));
  return {
    label,
    minimum: (a ?? Number.NaN) / (b ?? Number.NaN),
    median: median(quiet.map(([x, y]) => x.milliseconds / y.milliseconds)),
    ours: a ?? Number.NaN,
    theirs: b ?? Number.NaN,
    pairs: quiet.length,
    dropped: pairs.length - quiet.length,
    ...(goal !== undefined && { goal })
  };
}

/** Three significant digits. */
function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}

/** A table in plain text. `goal met` looks at the minimum, the more reliable of the two. */
export function table(comparisons: readonly IComparison[]): string {
  const head = ['ours / theirs', 'ratio of minima', 'median ratio', 'ours ms', 'theirs ms', 'pairs', 'goal'];
  const rows = comparisons.map(row => [
    row.label,
    short(row.minimum),
    short(row.median),
    short(row.ours),
    short(row.theirs),
    row.dropped > 0 ? `${row.pairs} (${row.dropped} dropped)` : String(row.pairs),
    row.goal === undefined ? '' : `<= ${row.goal} ${row.minimum <= row.goal ? 'met' : 'MISSED'}`
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map(row => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((word, column) => word.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
  return [line(head), widths.map(width => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
