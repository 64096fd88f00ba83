/** What every benchmark answers with; `npm run bench -- NAME --json` prints it as its last line. */
export interface Measurement {
  readonly name: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
  readonly ours: number;
  /** The same work done by others in the same run, in the same unit. */
  readonly peers: Readonly<Record<string, number>>;
  /** `ours` divided by the best peer. */
  readonly ratio: number;
  /** Phases, spreads, versions: whatever helps to read the figures. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** The middle value; the mean of the two middle ones for an even count. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** Puts a measurement together; the ratio is against the peer that does best. */
export function compare(measured: Omit<Measurement, 'ratio'>): Measurement {
  const values = Object.values(measured.peers);
  const best = measured.better === 'lower' ? Math.min(...values) : Math.max(...values);
  return { ...measured, ratio: Number((measured.ours / best).toFixed(3)) };
}
