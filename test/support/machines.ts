import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { loopbackAddress } from '../../driver/address/loopback-address';
import { PROJECT } from './peers';
import { type Outcome, type RunOptions, run } from './run';
import { until } from './until';

const CACHE = path.join(
  process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'),
  'docker-machine-driver-hyperkit',
);

/** The ISO and the test image that `image/build` and `image/busybox-image` make. */
export const ISO = path.join(CACHE, 'boot2docker.iso');
export const BUSYBOX = path.join(CACHE, 'busybox.tar');

/** For tests with a web server on this host, where the user's proxy has no business. */
export const NO_PROXY = { NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' };

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
  #path: string | undefined;

  constructor(
    /** Path of docker-machine or rancher-machine. */
    readonly client: string,
    readonly extraEnv: NodeJS.ProcessEnv = {},
    /** The store is made in this folder. */
    readonly base = tmpdir(),
  ) {}

  /** Made when it is first asked for: tests that are skipped make none. */
  get path(): string {
    this.#path ??= mkdtempSync(path.join(this.base, 'hk-store-'));
    return this.#path;
  }

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

  /** Names of the machines, as the client counts them: every folder is one. */
  machines(): readonly string[] {
    const folder = path.join(this.path, 'machines');
    return existsSync(folder) ? readdirSync(folder).sort() : [];
  }

  /** The address a machine gets, or would get after `attempt` clashes. */
  address(name: string, attempt = 0): string {
    return loopbackAddress(this.path, name, attempt);
  }

  /** Writes a machine's config.json as clients do; `driver` is the driver's part of it. */
  save(name: string, driver: unknown): void {
    const certs = path.join(this.path, 'certs');
    const config = {
      ConfigVersion: 3,
      Driver: driver,
      DriverName: 'hyperkit',
      HostOptions: {
        EngineOptions: { InstallURL: 'https://get.docker.com', TlsVerify: true },
        SwarmOptions: { Host: 'tcp://0.0.0.0:3376', Image: 'swarm:latest', Strategy: 'spread' },
        AuthOptions: {
          CertDir: certs,
          CaCertPath: path.join(certs, 'ca.pem'),
          CaPrivateKeyPath: path.join(certs, 'ca-key.pem'),
          ClientCertPath: path.join(certs, 'cert.pem'),
          ClientKeyPath: path.join(certs, 'key.pem'),
          StorePath: this.folder(name),
        },
      },
      Name: name,
    };
    mkdirSync(this.folder(name), { recursive: true, mode: 0o700 });
    writeFileSync(path.join(this.folder(name), 'config.json'), JSON.stringify(config), { mode: 0o600 });
  }

  /** Processes (machine processes, hypervisors, plugins, clients) that were started for this store, as `pid command`. */
  processes(): readonly string[] {
    return processesNaming(this.path);
  }

  /**
   * Waits until nothing of this store runs any more. docker-machine does not close its plugins when a command fails:
   * they notice by 10 s of silence.
   */
  async becomesQuiet(deadlineMs = 18_000): Promise<void> {
    const running = (): readonly string[] => this.processes();
    await until('nothing of the store runs', () => running().length === 0, deadlineMs, running);
  }

  /** Removes every machine and the store. */
  async dispose(): Promise<void> {
    for (const name of this.machines()) {
      await this.machine(['rm', '-f', '-y', name]).catch(() => undefined);
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

/**
 * Living processes whose command line or environment contains `text`, as `pid command`, cut to a readable length. A machine process shows a
 * title instead of its command line, but its environment is that of the client that started it.
 */
export function processesNaming(text: string): readonly string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const names = command.includes(text) || readFileSync(`/proc/${pid}/environ`, 'utf8').includes(text);
      if (names && command !== '' && Number(pid) !== process.pid) found.push(`${pid} ${command.slice(0, 200)}`);
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
