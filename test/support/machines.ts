import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { PROJECT } from './peers';
import { type Outcome, type RunOptions, run } from './run';

const CACHE = path.join(
  process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'),
  'docker-machine-driver-hyperkit',
);

/** The ISO and the test image that `image/build` and `image/busybox-image` make. */
export const ISO = path.join(CACHE, 'boot2docker.iso');
export const BUSYBOX = path.join(CACHE, 'busybox.tar');

/** What a virtual machine test needs, each undefined when it is there. */
export function missingForMachines(): readonly (string | undefined)[] {
  const qemu = process.env['HYPERKIT_QEMU'] ?? 'qemu-system-x86_64';
  return [
    which(qemu) === undefined ? 'no qemu-system-x86_64 (scripts/test installs it)' : undefined,
    existsSync(ISO) ? undefined : `no ISO at ${ISO} (image/build makes it)`,
  ];
}

/** Path of a program in PATH. */
export function which(program: string): string | undefined {
  try {
    return execFileSync('sh', ['-c', 'command -v "$1"', 'sh', program], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}

/** A machine store of its own with a client in front of it; the real ~/.docker is never touched. */
export class Store {
  readonly path = mkdtempSync(path.join(tmpdir(), 'hk-store-'));

  constructor(
    /** Path of docker-machine or rancher-machine. */
    readonly client: string,
    readonly extraEnv: NodeJS.ProcessEnv = {},
  ) {}

  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      PATH: `${path.join(PROJECT, 'dist/bin')}:${process.env['PATH'] ?? ''}`,
      MACHINE_STORAGE_PATH: this.path,
      MACHINE_BUGSNAG_API_TOKEN: 'no-report',
      DOCKER_CONFIG: path.join(this.path, 'docker-cli'),
      ...this.extraEnv,
    };
  }

  /** Runs the client. */
  machine(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run(this.client, args, { deadlineMs: 300_000, ...options, env: { ...this.env, ...options.env } });
  }

  /** Runs the client and fails the test with its whole output when it fails. */
  async succeed(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const outcome = await this.machine(args, options);
    if (outcome.code !== 0) throw new Error(`${args.join(' ')}: exit ${outcome.code}\n${outcome.output}`);
    return outcome.stdout.trim();
  }

  folder(name: string): string {
    return path.join(this.path, 'machines', name);
  }

  /** Processes (machine processes, hypervisors, plugins) whose command line names this store or that hold a machine of it. */
  processes(): readonly string[] {
    return processesNaming(this.path);
  }

  /** Removes every machine and the store. */
  async dispose(): Promise<void> {
    for (const name of existsSync(path.join(this.path, 'machines'))
      ? readdirSync(path.join(this.path, 'machines'))
      : []) {
      await this.machine(['rm', '-f', '-y', name]).catch(() => undefined);
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Living processes whose command line contains `text`, as `pid command`. */
export function processesNaming(text: string): readonly string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      if (command.includes(text)) found.push(`${pid} ${command}`);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** `address:port` pairs that are listened on, by /proc/net/tcp. */
export function listeningOn(address: string): readonly number[] {
  const hex = address
    .split('.')
    .reverse()
    .map((octet) => Number(octet).toString(16).padStart(2, '0').toUpperCase())
    .join('');
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((columns) => columns[3] === '0A' && columns[1]?.startsWith(`${hex}:`))
    .map((columns) => Number.parseInt(columns[1]?.split(':')[1] ?? '', 16))
    .sort((a, b) => a - b);
}
