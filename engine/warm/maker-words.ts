import { parseJsonObject } from '../json-object';

/** The machine program, started with this word, makes a warm image (run-maker.ts). */
export const MAKE_WARM_WORD = 'make-warm';

/** The one line that a maker says to whoever waits for its image. */
export type MakeReport = { readonly outcome: 'made' | 'found' } | { readonly failed: string };

export function encodeMakeReport(report: MakeReport): string {
  return `${JSON.stringify(report)}\n`;
}

/** Undefined when the text is no report. */
export function decodeMakeReport(text: string): MakeReport | undefined {
  const { outcome, failed } = parseJsonObject(text) ?? {};
  if (outcome === 'made' || outcome === 'found') return { outcome };
  return typeof failed === 'string' ? { failed } : undefined;
}
