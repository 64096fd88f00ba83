import { type Channel, channel } from 'node:diagnostics_channel';
import { ChromeTrace } from './chrome-trace';
import { PROBES, type ProbeName } from './probes';
import { allocateTraceRing, TraceReader, type TraceRecord } from './trace-ring';

/** Environment variable: path of the trace file; without it nothing is traced. */
export const TRACE_VARIABLE = 'HYPERKIT_TRACE';

/** How often rings are read and counters sampled, while there is a tracer. */
const INTERVAL_MS = 100;

/** Numbers that somebody else counts, by name. */
export type Sample = Readonly<Record<string, number>>;

interface Source {
  readonly thread: number;
  readonly reader: TraceReader;
}

/**
 * Gathers what probes record in all threads: publishes it on the channels, counts it, and writes it to a file. Costs
 * nothing as long as there is none, because nobody is given a ring then.
 */
export class Tracer {
  readonly #file: ChromeTrace | undefined;
  readonly #sources: Source[] = [];
  readonly #samplers: (() => void)[] = [];
  readonly #counts = PROBES.map(() => 0);
  readonly #channels: readonly Channel[] = PROBES.map(({ name }) => channel(`hyperkit:${name}`));
  readonly #timer: NodeJS.Timeout;

  /** @param file gets a Chrome trace. Errors of the file system pass through. */
  constructor(file?: string) {
    this.#file = file === undefined ? undefined : new ChromeTrace(file);
    this.#timer = setInterval(() => this.collect(), INTERVAL_MS).unref();
  }

  /** The tracer that the environment asks for. */
  static fromEnvironment(environment: NodeJS.ProcessEnv): Tracer | undefined {
    const file = environment[TRACE_VARIABLE] ?? '';
    return file === '' ? undefined : new Tracer(file);
  }

  /** A ring for one thread, to be given to a TraceWriter there. */
  addThread(name: string): SharedArrayBuffer {
    const ring = allocateTraceRing();
    const thread = this.#sources.length + 1;
    this.#sources.push({ thread, reader: new TraceReader(ring) });
    this.#file?.write({ name: 'thread_name', ph: 'M', ts: 0, pid: process.pid, tid: thread, args: { name } });
    return ring;
  }

  /** Counters that are kept anyway, such as a vCPU's exits by reason: what has changed becomes a track of the file. */
  addCounters(name: string, read: () => Sample): void {
    let last = '';
    this.#samplers.push(() => {
      const args = read();
      const text = JSON.stringify(args);
      if (text === last) return;
      last = text;
      this.#file?.write({ name, ph: 'C', ts: Date.now() * 1000, pid: process.pid, tid: 0, args });
    });
  }

  /** Something that happened in this thread. */
  mark(name: string): void {
    this.#file?.write({ name, ph: 'i', s: 't', ts: Date.now() * 1000, pid: process.pid, tid: 0, args: {} });
  }

  /** How often each probe has fired, and how many records found no room. */
  counts(): Readonly<Partial<Record<ProbeName | 'lost', number>>> {
    const counts: Partial<Record<ProbeName | 'lost', number>> = {};
    for (const [probe, { name }] of PROBES.entries()) {
      const count = this.#counts[probe] ?? 0;
      if (count > 0) counts[name] = count;
    }
    const lost = this.#sources.reduce((sum, { reader }) => sum + reader.lost, 0);
    return lost === 0 ? counts : { ...counts, lost };
  }

  /** Takes what the rings hold now. */
  collect(): void {
    for (const { thread, reader } of this.#sources) reader.drain((record) => this.#take(thread, record));
    for (const sample of this.#samplers) sample();
    this.#file?.flush();
  }

  close(): void {
    clearInterval(this.#timer);
    this.collect();
    const args = this.counts() as Sample;
    this.#file?.write({ name: 'probes', ph: 'C', ts: Date.now() * 1000, pid: process.pid, tid: 0, args });
    this.#file?.close();
  }

  #take(thread: number, { atMs, probe, values }: TraceRecord): void {
    const known = PROBES[probe];
    const output = this.#channels[probe];
    if (known === undefined || output === undefined) return;
    this.#counts[probe] = (this.#counts[probe] ?? 0) + 1;
    if (this.#file === undefined && !output.hasSubscribers) return;
    const args: Record<string, number> = {};
    for (const [index, field] of known.fields.entries()) args[field] = values[index] ?? 0;
    if (output.hasSubscribers) output.publish({ atMs, ...args });
    this.#file?.write({ name: known.name, ph: 'i', s: 't', ts: atMs * 1000, pid: process.pid, tid: thread, args });
  }
}
