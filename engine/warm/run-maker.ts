import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { EngineError } from '../errors';
import { makeImage } from './make-image';
import { type MakeRequest, parseMakeRequest } from './make-request';
import { encodeMakeReport } from './maker-words';

/** For a guest to boot and be saved, under emulation on a busy host. */
const SAVE_DEADLINE_MS = 300_000;
/** After that long the whole process ends, whatever it hangs at; its virtual machine ends with it. */
const LAST_MS = SAVE_DEADLINE_MS + 120_000;
const BACKGROUND_NICE = 10;

/**
 * The whole life of a process that makes a warm image. The request is one line on standard input. Whoever waits for the
 * image keeps that open and hears the outcome on standard output; when it hangs up, the making ends. Words for the log go to
 * standard error. Resolves with the exit status; never rejects.
 */
export async function runMaker(machineProgram: string): Promise<number> {
  process.umask(0o077);
  process.title = 'hyperkit: warm image';
  process.chdir('/');
  setTimeout(() => process.exit(1), LAST_MS).unref();
  const abort = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => abort.abort(new Error(`it was ended by ${name}`)));
  }
  const log = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${process.pid} ${line}\n`);
  try {
    const request = await readRequest(() => abort.abort(new Error('whoever wanted it is gone')));
    if (request.behind !== undefined) setPriority(BACKGROUND_NICE);
    const making = { machineProgram, signal: abort.signal, deadlineMs: SAVE_DEADLINE_MS, log };
    const outcome = await makeImage(request, making);
    log(outcome === 'made' ? 'made a warm image' : 'the warm image is there already');
    await say(encodeMakeReport({ outcome }));
    return 0;
  } catch (error) {
    const reason =
      error instanceof EngineError ? error.message : `cannot make a warm image: ${(error as Error).message}`;
    log(reason);
    await say(encodeMakeReport({ failed: reason }));
    return 1;
  }
}

/** @param onHangUp of somebody who waits; one who does not hangs up at once */
async function readRequest(onHangUp: () => void): Promise<MakeRequest> {
  const lines = createInterface({ input: process.stdin });
  const line = await new Promise<string>((resolve) => {
    lines.once('line', resolve);
    lines.once('close', () => resolve(''));
  });
  const request = parseMakeRequest(line);
  if (request.behind === undefined) lines.once('close', onHangUp);
  else lines.close();
  return request;
}

/** Whoever is gone does not hear it. */
async function say(text: string): Promise<void> {
  process.stdout.on('error', () => undefined);
  await new Promise<void>((resolve) => process.stdout.write(text, () => resolve()));
}
