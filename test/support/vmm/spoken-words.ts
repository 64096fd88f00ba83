import type { BoardSpec } from '../../../engine/spec/board-spec';
import { boardSpec, type Guest, type GuestBench } from './board';
import { multibootImage } from './guest-images';
import type { ProtectedCode } from './protected-code';

/** By then a guest hangs, however slow its host is. */
const HANGS_MS = 90_000;

export interface Surroundings {
  readonly change?: Partial<BoardSpec>;
  /** What the host does while the guest runs. */
  readonly meanwhile?: (guest: Guest) => Promise<void>;
}

/**
 * Runs a guest until it switches itself off, and answers the numbers that it said.
 * @throws Error when it ends otherwise; it tells what the guest had said.
 */
export async function hearWords(
  bench: GuestBench,
  code: ProtectedCode,
  { change = {}, meanwhile }: Surroundings = {},
): Promise<readonly number[]> {
  const kernel = await bench.file(multibootImage(code.powerOff().build()));
  const guest = await bench.start(boardSpec({ kind: 'multiboot', kernel, modules: [], commandLine: '' }, change));
  const { board, heard } = guest;
  const hangs = setTimeout(() => void board.kill(), HANGS_MS);
  try {
    const [exit] = await Promise.all([board.exited, meanwhile?.(guest)]);
    const words = toWords(heard.bytes);
    if (exit.kind === 'power-off') return words;
    const said = words.map((word) => word.toString(16)).join(' ');
    throw new Error(`the guest ended by ${JSON.stringify(exit)}; it had said ${said}`);
  } finally {
    clearTimeout(hangs);
  }
}

/** Resolves when a guest has said so many numbers, or has ended. */
export async function heardWords({ board, heard }: Guest, count: number): Promise<void> {
  const ended = board.exited.then(() => 'ended');
  while (heard.bytes.length < count * 4) {
    if ((await Promise.race([heard.untilMore(), ended])) === 'ended') return;
  }
}

function toWords(bytes: Buffer): number[] {
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readUInt32LE(index * 4));
}

/** ACPI 6.4, 4.8.2.1. */
export const PM_TIMER_HZ = 3_579_545;

/** Ticks of the ACPI timer, of 32 bits, from one reading to another. */
export function elapsedTicks(before: number | undefined, after: number | undefined): number {
  return ((after ?? Number.NaN) - (before ?? Number.NaN)) >>> 0;
}

/** A time stamp counter, said in two words. */
export function toTsc(words: readonly number[], at: number): number {
  return (words[at + 1] ?? Number.NaN) * 2 ** 32 + (words[at] ?? Number.NaN);
}
