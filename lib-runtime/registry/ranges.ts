// SPDX-License-Identifier: BSD-3-Clause
/** Byte ranges of a download: pure data. All ranges are half-open: from `start` up to but not including `end`. */

export interface IRange {
  readonly start: number;
  readonly end: number;
}

/** The ranges that are done, disjoint and sorted. */
export class RangeSet {
  private ranges: IRange[] = [];

  constructor(ranges: Iterable<IRange> = []) {
    for (const range of ranges) {
      this.add(range);
    }
  }

  add(range: IRange): void {
    if (range.end <= range.start) {
      return;
    }
    let { start, end } = range;
    const apart: IRange[] = [];
    for (const other of this.ranges) {
      if (other.end < start || other.start > end) {
        apart.push(other);
      } else {
        start = Math.min(start, other.start);
        end = Math.max(end, other.end);
      }
    }
    this.ranges = [...apart, { start, end }].sort((a, b) => a.start - b.start);
  }

  list(): readonly IRange[] {
    return this.ranges;
  }

  /** Bytes covered. */
  get total(): number {
    return this.ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** End of the run of done bytes that begins at 0. */
  get prefix(): number {
    const [first] = this.ranges;
    return first?.start === 0 ? first.end : 0;
  }

  /** What is left of 0..size, in order, in pieces of at most `piece` bytes. */
  missing(size: number, piece = Infinity): IRange[] {
    const left: IRange[] = [];
    let position = 0;
    for (const { start, end } of [...this.ranges, { start: size, end: size }]) {
      for (; position < Math.min(start, size); position = left.at(-1)?.end ?? size) {
        left.push({ start: position, end: Math.min(position + piece, start, size) });
      }
      position = Math.max(position, end);
    }
    return left;
  }
}

/** Content-Range of a 206 (RFC 9110 14.4): `bytes 0-99/200`; `size` undefined for `*`. */
export function parseContentRange(header: string | null): (IRange & { readonly size: number | undefined }) | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(header?.trim() ?? '');
  if (match === null) {
    return undefined;
  }
  const size = match[3] === '*' ? undefined : Number(match[3]);
  return { start: Number(match[1]), end: Number(match[2]) + 1, size };
}
