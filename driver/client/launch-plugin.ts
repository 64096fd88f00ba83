import { type ChildProcess, spawn } from 'node:child_process';
import { DriverClient, type DriverClientOptions } from './driver-client';
import { type OutputStream, watchOutput } from './plugin-output';

export interface LaunchOptions extends DriverClientOptions {
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly args?: readonly string[];
  /** Time to the address line; 10 s by contract. */
  readonly addressTimeoutMs?: number;
  /** Lines after the address: stdout is for the user, stderr for debugging. */
  onLine?(line: string, stream: OutputStream): void;
}

export interface ExitStatus {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A plugin process of ours, connected. */
export interface LaunchedPlugin {
  readonly pid: number;
  readonly address: string;
  readonly driver: DriverClient;
  /** Settles when the process has ended, whoever ended it. */
  readonly exited: Promise<ExitStatus>;
  /** Closes the plugin as docker-machine does, and kills it if it does not go. */
  close(): Promise<ExitStatus>;
  kill(): Promise<ExitStatus>;
}

/** - `PLUGIN_NOT_STARTED`: no such program, or it said no address; - `PLUGIN_NOT_CONNECTED`: nobody answers there. */
export type LaunchErrorCode = 'PLUGIN_NOT_STARTED' | 'PLUGIN_NOT_CONNECTED';

export class LaunchError extends Error {
  override readonly name = 'LaunchError';

  constructor(
    readonly code: LaunchErrorCode,
    message: string,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

/** How long a closed plugin may take to end by itself. */
const CLOSE_GRACE_MS = 6_000;

/**
 * Starts a driver plugin the way docker-machine does, and connects to it. The process is ours: it never outlives a
 * failure of this function.
 *
 * @throws LaunchError
 */
export async function launchPlugin(program: string, options: LaunchOptions = {}): Promise<LaunchedPlugin> {
  const child = spawn(program, options.args ?? [], {
    env: { ...process.env, ...options.env, MACHINE_PLUGIN_TOKEN: '42', MACHINE_PLUGIN_DRIVER_NAME: 'hyperkit' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<ExitStatus>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const kill = (): Promise<ExitStatus> => {
    child.kill('SIGKILL');
    return exited;
  };
  try {
    const address = await readAddress(child, program, options);
    const driver = await DriverClient.connect(address, options).catch((cause: Error) => {
      throw new LaunchError('PLUGIN_NOT_CONNECTED', `cannot connect to ${program}: ${cause.message}`, { cause });
    });
    const close = async (): Promise<ExitStatus> => {
      const timer = setTimeout(() => void kill(), CLOSE_GRACE_MS);
      await driver.close();
      const status = await exited;
      clearTimeout(timer);
      return status;
    };
    return { pid: child.pid ?? 0, address, driver, exited, close, kill };
  } catch (error) {
    if (child.pid !== undefined) await kill();
    throw error;
  }
}

function readAddress(child: ChildProcess, program: string, options: LaunchOptions): Promise<string> {
  const { addressTimeoutMs = 10_000, onLine } = options;
  return new Promise((resolve, reject) => {
    let lastWords = '';
    const fail = (reason: string, cause?: unknown) => {
      clearTimeout(timer);
      const after = lastWords === '' ? '' : ` (${lastWords})`;
      reject(new LaunchError('PLUGIN_NOT_STARTED', `cannot start ${program}: ${reason}${after}`, { cause }));
    };
    const timer = setTimeout(() => fail(`it did not tell its address within ${addressTimeoutMs} ms`), addressTimeoutMs);
    child.once('error', (error) => fail(error.message, error));
    // `close` comes after the last line, `exit` may not.
    child.once('close', (code, signal) => fail(`it ended with ${signal ?? `exit code ${code}`} and told no address`));
    let told = false;
    watchOutput(child, (line, stream) => {
      if (!told && stream === 'stdout') {
        told = true;
        clearTimeout(timer);
        resolve(line.trim());
        return;
      }
      lastWords = line;
      onLine?.(line, stream);
    });
  });
}
