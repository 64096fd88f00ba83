import { BoundedOutput } from '../console/bounded-output';
import { SerialLines } from '../console/open-serial';
import { openOutputStream } from '../console/output-stream';
import { EngineError } from '../errors';
import { boardSerials } from '../spec/board-serials';
import type { BoardSpec } from '../spec/board-spec';
import { type HyperkitSettings, parseHyperkitCommandLine } from '../spec/hyperkit-command-line/parse-command-line';
import { Tracer } from '../trace/tracer';
import { boardNics } from './board-gateway';
import { chooseEngine, readEngineChoice } from './choose-engine';
import { exitStatus } from './exit-status';
import { ForegroundSignals } from './foreground-signals';
import { findOutsideHyperkit, runOutsideHyperkit } from './outside-hyperkit';
import { type PidFile, writePidFile } from './pid-file';
import { resolveBoard } from './resolve-board';
import type { BoardEnd, ConnectedSerial, RunningBoard } from './running-board';

const STDOUT = 1;
const LAST_OUTPUT_MS = 1000;
const EXIT_FAILED = 1;

/** The program as it was called. */
export interface HyperkitProgram {
  /** In messages. */
  readonly name: string;
  /** The folder of this package's programs. */
  readonly programsDir: string;
  readonly printVersion: () => void;
}

/** How the process ends: a status, or the signal that it has to die of. */
export type ProcessEnd = number | NodeJS.Signals;

/** Program `hyperkit` with HyperKit's options: one virtual machine in the foreground, from its start to its end. */
export async function runHyperkit(words: readonly string[], program: HyperkitProgram): Promise<ProcessEnd> {
  const command = parseHyperkitCommandLine(words, program.name);
  switch (command.kind) {
    case 'version':
      program.printVersion();
      return 0;
    case 'print':
      process.stderr.write(command.text);
      return command.status;
    case 'run':
      break;
  }
  try {
    const choice = readEngineChoice(process.env);
    const outside = choice === 'auto' ? findOutsideHyperkit() : undefined;
    if (outside !== undefined) return await runOutsideHyperkit(outside, words);
    return await runForeground(command.settings, program);
  } catch (error) {
    // What is no EngineError is of the file system or the C library, and its message says so.
    const { message } = error as Error;
    process.stderr.write(`${program.name}: ${message}\n`);
    return EXIT_FAILED;
  }
}

async function runForeground(settings: HyperkitSettings, program: HyperkitProgram): Promise<ProcessEnd> {
  const board = resolveBoard(settings.board);
  const card = boardNics(board).find((nic) => nic.kind === 'gateway');
  if (settings.printMac && card !== undefined) {
    process.stdout.write(`MAC: ${card.mac}\n`);
    return 0;
  }
  const stream = openOutputStream(STDOUT);
  const stdout = new BoundedOutput(stream);
  const say = (line: string): void => stdout.write(`${line}\n`);
  const log = (line: string): void => {
    if (process.env.HYPERKIT_DEBUG) process.stderr.write(`${program.name}: ${line}\n`);
  };
  const signals = new ForegroundSignals({ say });
  const lines = new SerialLines(stdout);
  let pidFile: PidFile | undefined;
  let tracer: Tracer | undefined;
  try {
    tracer = Tracer.fromEnvironment(process.env);
    if (settings.pidFile !== undefined) pidFile = writePidFile(settings.pidFile);
    const engine = await chooseEngine(readEngineChoice(process.env), program.programsDir);
    engine.check(board);
    const serials = await openSerials(board, lines, signals.ending);
    const running = await engine.start({
      ...{ board, serials, signal: signals.ending, pidFile: settings.pidFile, say, log },
      trace: tracer?.addThread.bind(tracer),
    });
    log(`${running.engine} runs the machine`);
    signals.attach(running);
    traceExits(running, board.vcpus, tracer);
    const end = await running.exited;
    tracer?.mark(end.kind);
    return signals.fatal ?? conclude(end);
  } catch (error) {
    if (signals.fatal !== undefined) return signals.fatal;
    throw error;
  } finally {
    tracer?.close();
    await lines.close();
    await stdout.drained(LAST_OUTPUT_MS);
    stream.destroy();
    pidFile?.remove();
    signals.close();
  }
}

/** A track of exits by reason for each CPU; QEMU counts none. */
function traceExits({ exitCounts }: RunningBoard, vcpus: number, tracer: Tracer | undefined): void {
  if (tracer === undefined) return;
  tracer.mark('running');
  if (exitCounts === undefined) return;
  for (let index = 0; index < vcpus; index++) tracer.addCounters(`vcpu${index} exits`, () => exitCounts()[index] ?? {});
}

async function openSerials(
  board: BoardSpec,
  lines: SerialLines,
  signal: AbortSignal,
): Promise<readonly ConnectedSerial[]> {
  const serials: ConnectedSerial[] = [];
  for (const serial of boardSerials(board)) {
    serials.push({ ...serial, line: await lines.open(serial.spec, serial.name) });
  }
  if (board.debugPort !== undefined) {
    const line = await lines.waitForDebugger(board.debugPort, signal);
    serials.push({ name: 'bvmdbg', place: 'debugger', line });
  }
  return serials;
}

function conclude(end: BoardEnd): number {
  if (end.kind === 'failed') {
    throw new EngineError('HK_HYPERVISOR_FAILED', `the virtual machine ended: ${end.detail}`);
  }
  return exitStatus(end);
}
