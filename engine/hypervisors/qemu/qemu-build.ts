import { execFile } from 'node:child_process';

/** What one QEMU program is able to do. */
export interface QemuBuild {
  readonly program: string;
  /** E.g. `7.2.22`. */
  readonly version: string;
  readonly sandbox: boolean;
}

export type QemuBuildResult =
  | { readonly usable: true; readonly build: QemuBuild }
  | { readonly usable: false; readonly reason: string };

/** `-blockdev`, `hpet=` and the SHUTDOWN event's reason as we use them. */
const OLDEST_MAJOR = 6;
const DEADLINE_MS = 10_000;

/**
 * Asks QEMU for its version. `-version` is answered while the command line is being read, so an option before it that
 * the build does not know fails the call: one start tells both.
 */
export async function inspectQemu(program: string): Promise<QemuBuildResult> {
  const sandboxed = await run(program, ['-sandbox', 'on', '-version']);
  const answer = sandboxed.ok ? sandboxed : await run(program, ['-version']);
  if (!answer.ok) return { usable: false, reason: `${program} does not run: ${answer.text}` };
  const version = parseVersion(answer.text);
  if (version === undefined) {
    return { usable: false, reason: `${program} is not QEMU: it answered ${JSON.stringify(answer.text.slice(0, 80))}` };
  }
  if (Number.parseInt(version, 10) < OLDEST_MAJOR) {
    return { usable: false, reason: `${program} is QEMU ${version}; version ${OLDEST_MAJOR}.0 or later is needed` };
  }
  return { usable: true, build: { program, version, sandbox: sandboxed.ok } };
}

/** From `QEMU emulator version 7.2.22 (Debian …)`; distributors append to it what they like. */
export function parseVersion(text: string): string | undefined {
  return /\bversion (\d+\.\d+(?:\.\d+)?)/.exec(text)?.[1];
}

async function run(program: string, programArguments: readonly string[]): Promise<{ ok: boolean; text: string }> {
  return await new Promise((resolve) => {
    const options = {
      timeout: DEADLINE_MS,
      killSignal: 'SIGKILL',
      env: { ...process.env, LC_ALL: 'C' },
      cwd: '/',
    } as const;
    execFile(program, programArguments, options, (error, stdout, stderr) => {
      const text = error
        ? stderr.trim() || (error.killed ? `no answer within ${DEADLINE_MS / 1000} s` : error.message)
        : stdout;
      resolve({ ok: error === null, text: text.trim() });
    });
  });
}
