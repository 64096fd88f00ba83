import { compare, type Measurement, median } from '../measurement';
import type { Rounds } from './network';
import { ours } from './ours';

/** What one turn through a network found, by name. */
export type Figures = Readonly<Record<string, number>>;

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
  /** The measurement is the geometric mean of these figures' medians, so none of them alone can make it. */
  readonly counted: readonly string[];
  readonly rounds: Rounds<Figures>;
  readonly details: Readonly<Record<string, unknown>>;
}

/** Puts ours beside the peers; a peer that could not do the work stays in the details only. */
export function compareNetworks({ counted, rounds, details, ...about }: Comparison): Measurement {
  const medians = mediansOf(rounds);
  const means = Object.entries(medians).map(
    ([name, figures]) => [name, round(geometricMean(counted.map((key) => figures[key] ?? Number.NaN)))] as const,
  );
  const { [ours.name]: own, ...peers } = Object.fromEntries(means.filter(([, mean]) => Number.isFinite(mean)));
  if (own === undefined) throw new Error(`ours did not do the work: ${JSON.stringify(medians[ours.name])}`);
  return compare({ ...about, ours: own, peers, details: { medians, ...details, rounds } });
}

/** The medians over the rounds of every figure, by network. */
export function mediansOf(rounds: Rounds<Figures>): Readonly<Record<string, Figures>> {
  return Object.fromEntries(
    Object.entries(rounds).map(([network, turns]) => [
      network,
      Object.fromEntries(
        Object.keys(turns[0] ?? {}).map((key) => [key, round(median(turns.map((turn) => turn[key] ?? Number.NaN)))]),
      ),
    ]),
  );
}

/** The mean in which twice as much and half as much cancel out. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** To four digits, which is more than these measurements hold. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
