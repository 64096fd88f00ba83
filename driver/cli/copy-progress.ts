import type { CopyProgress } from '../copy/copy-tree';
import { type CommandOutput, printable } from './command-output';

const REDRAW_MS = 100;
const BAR_CELLS = 24;

/** On a terminal a bar with rate and time left for each file; elsewhere a line for each file that is done. */
export class CopyProgressLine implements CopyProgress {
  readonly #output: CommandOutput;
  #file = { label: '', sizeBytes: 0, doneBytes: 0, beganMs: 0 };
  #drawnMs = 0;

  constructor(output: CommandOutput) {
    this.#output = output;
  }

  begin(label: string, sizeBytes: number): void {
    this.#file = { label: printable(label), sizeBytes, doneBytes: 0, beganMs: performance.now() };
    this.#draw();
  }

  add(bytes: number): void {
    this.#file.doneBytes += bytes;
    if (performance.now() - this.#drawnMs >= REDRAW_MS) this.#draw();
  }

  end(): void {
    const { label, doneBytes } = this.#file;
    if (!this.#isLive()) this.#output.say(`${label}  ${formatBytes(doneBytes)}`);
    else {
      this.#draw();
      this.#output.stderr.write('\n');
    }
  }

  skip(label: string, reason: string): void {
    this.#output.warn(`left out ${label}: ${reason}`);
  }

  #isLive(): boolean {
    return this.#output.style.live && !this.#output.style.quiet;
  }

  #draw(): void {
    if (!this.#isLive()) return;
    this.#drawnMs = performance.now();
    const line = describeProgress({ ...this.#file, elapsedMs: this.#drawnMs - this.#file.beganMs });
    const columns = process.stderr.columns ?? 80;
    this.#output.stderr.write(`\r\x1b[K${line.slice(0, columns - 1)}`);
  }
}

/** `[######----]  40%  4.0 MB  2.0 MB/s  3 s left  name` */
export function describeProgress(file: {
  readonly label: string;
  readonly sizeBytes: number;
  readonly doneBytes: number;
  readonly elapsedMs: number;
}): string {
  // A file may grow while it is copied, and an empty one is done at once.
  const share = file.sizeBytes === 0 ? 1 : Math.min(1, file.doneBytes / file.sizeBytes);
  const cells = Math.round(share * BAR_CELLS);
  const bar = `[${'#'.repeat(cells)}${'-'.repeat(BAR_CELLS - cells)}] ${`${Math.floor(share * 100)}`.padStart(3)}%`;
  const perSecond = file.elapsedMs === 0 ? 0 : (file.doneBytes * 1000) / file.elapsedMs;
  const left = share < 1 && perSecond > 0 ? `  ${Math.ceil((file.sizeBytes - file.doneBytes) / perSecond)} s left` : '';
  return `${bar}  ${formatBytes(file.doneBytes)}  ${formatBytes(perSecond)}/s${left}  ${file.label}`;
}

function formatBytes(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
