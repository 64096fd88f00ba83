import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { type Outcome, type RunOptions, run } from './run';
import { until } from './until';

/** A program and its arguments, ready for `spawn` or `run`. */
export type CommandLine = readonly [program: string, args: readonly string[]];

/**
 * A network namespace with only its loopback interface up, in a user namespace of its own so that no root is needed.
 * Whoever runs a gateway opens a tap device in it; programs inside then stand where a guest would.
 */
export interface Namespace {
  /** The process that holds it: /proc/PID/ns/net and /proc/PID/ns/user are the namespaces. */
  readonly pid: number;
  /** The command line for a program inside; the process spawned with it becomes that program. */
  inside(program: string, ...args: readonly string[]): CommandLine;
  /** The command line for a program with the namespace's powers but the host's network: one that opens a tap inside. */
  owning(program: string, ...args: readonly string[]): CommandLine;
  /** Runs a program inside to its end; a non-zero exit is an outcome, not an error. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Runs lines of ip(8), such as `link set tap0 mtu 1500 up`. Throws when one is refused. */
  ip(...lines: readonly string[]): Promise<void>;
  /** From now on packets through a device suffer, both ways, each way by itself; `{}` ends it. */
  impair(device: string, impairment: Impairment): Promise<void>;
}

/** What a poor line does to packets. A packet of segmentation offload counts as one. */
export interface Impairment {
  readonly lossPercent?: number;
  readonly duplicatePercent?: number;
  /** So many packets are overtaken by those of the next 5 ms. */
  readonly reorderPercent?: number;
  readonly delayMs?: number;
}

const DEADLINE_MS = 10_000;
const OVERTAKEN_MS = 5;

/** Why this user cannot have a network namespace here; undefined when that works. */
export function whyNoNamespaces(): string | undefined {
  return whyNot('a network namespace', 'ip', ['link', 'set', 'lo', 'up']);
}

/**
 * Why packets cannot be impaired like that here; undefined when they can. netem does everything; on a kernel without it
 * (`sch_netem`), nftables can still lose packets.
 */
export function whyNoImpairment(impairment: Impairment): string | undefined {
  const noNetem = whyNoNetem();
  const { lossPercent: _, ...more } = impairment;
  if (noNetem === undefined || Object.keys(more).length > 0) return noNetem;
  const noNftables = whyNot('nftables', 'nft', [nftRules('lo', 1)]);
  return noNftables === undefined ? undefined : `${noNetem}; ${noNftables}`;
}

function whyNoNetem(): string | undefined {
  return whyNot('netem', 'tc', ['qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'loss', '1%']);
}

function whyNot(what: string, program: string, args: readonly string[]): string | undefined {
  const tried = spawnSync('unshare', [...UNSHARED, program, ...args], { encoding: 'utf8', timeout: DEADLINE_MS });
  if (tried.status === 0) return undefined;
  return `there is no ${what} here (${(tried.stderr || tried.error?.message || `exit ${tried.status}`).trim()})`;
}

const UNSHARED = ['--user', '--map-root-user', '--net'];

/** Gives `use` a new namespace. Afterwards nothing of it is left: programs that still run inside are killed. */
export async function withNamespace<T>(use: (namespace: Namespace) => Promise<T>): Promise<T> {
  // It ends with its standard input, so not even a killed test leaves it behind.
  const holder = spawn('unshare', [...UNSHARED, 'sh', '-c', 'ip link set lo up && echo held && exec cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  holder.stdin.on('error', () => undefined);
  const pid = await untilHeld(holder);
  const network = readlinkSync(`/proc/${pid}/ns/net`);
  try {
    return await use(new HeldNamespace(pid));
  } finally {
    holder.kill('SIGKILL');
    await until('the end of all programs in the namespace', () => killInhabitants(network) === 0, DEADLINE_MS);
  }
}

async function untilHeld(holder: ChildProcess): Promise<number> {
  let complaint = '';
  holder.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  const held = once(holder.stdout ?? holder, 'data').then(() => true);
  const ended = once(holder, 'close').then(() => false);
  if (!(await Promise.race([held, ended])) || holder.pid === undefined) {
    throw new Error(`cannot create a network namespace: ${complaint.trim()}`);
  }
  return holder.pid;
}

/** How many there were. */
function killInhabitants(network: string): number {
  let count = 0;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      if (readlinkSync(`/proc/${entry}/ns/net`) !== network) continue;
      process.kill(Number(entry), 'SIGKILL');
      count++;
    } catch {
      // It ended meanwhile, or is another user's and so not inside.
    }
  }
  return count;
}

class HeldNamespace implements Namespace {
  constructor(readonly pid: number) {}

  inside(program: string, ...args: readonly string[]): CommandLine {
    return this.#enter(['--net'], program, args);
  }

  owning(program: string, ...args: readonly string[]): CommandLine {
    return this.#enter([], program, args);
  }

  #enter(which: readonly string[], program: string, args: readonly string[]): CommandLine {
    const target = ['--target', String(this.pid), '--user', '--preserve-credentials'];
    return ['nsenter', [...target, ...which, '--', program, ...args]];
  }

  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run(...this.inside(program, ...args), options);
  }

  async ip(...lines: readonly string[]): Promise<void> {
    await this.#must('ip', ['-batch', '-'], lines.join('\n'));
  }

  async impair(device: string, impairment: Impairment): Promise<void> {
    const incoming = `in-${device}`;
    // Either is refused when there is nothing to forget.
    await this.run('tc', ['qdisc', 'del', 'dev', device, 'ingress']);
    await this.run('tc', ['qdisc', 'del', 'dev', device, 'root']);
    await this.run('ip', ['link', 'del', incoming]);
    await this.run('nft', ['delete', 'table', 'netdev', 'impairment']);
    if (Object.keys(impairment).length === 0) return;
    const refusal = whyNoImpairment(impairment);
    if (refusal !== undefined) throw new Error(refusal);
    if (whyNoNetem() !== undefined) {
      await this.#must('nft', ['-f', '-'], nftRules(device, impairment.lossPercent ?? 0));
      return;
    }
    // netem works on what leaves a device, so what comes in passes through one of its own.
    await this.ip(`link add ${incoming} type ifb`, `link set ${incoming} up`);
    await this.#must('tc', ['qdisc', 'add', 'dev', device, 'handle', 'ffff:', 'ingress']);
    await this.#must('tc', [
      ...['filter', 'add', 'dev', device, 'parent', 'ffff:', 'protocol', 'all', 'u32', 'match', 'u32', '0', '0'],
      ...['action', 'mirred', 'egress', 'redirect', 'dev', incoming],
    ]);
    for (const way of [device, incoming]) {
      await this.#must('tc', ['qdisc', 'add', 'dev', way, 'root', 'netem', ...netemWords(impairment)]);
    }
  }

  async #must(program: string, args: readonly string[], stdin = ''): Promise<void> {
    const { code, output } = await this.run(program, args, { stdin, deadlineMs: DEADLINE_MS });
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} in the namespace: ${output.trim()}\n${stdin}`);
  }
}

function netemWords(impairment: Impairment): readonly string[] {
  const { lossPercent, duplicatePercent, reorderPercent, delayMs } = impairment;
  const words: string[] = [];
  if (reorderPercent !== undefined) {
    // netem's own "reorder" is the share of packets that skip the delay.
    words.push('delay', `${delayMs ?? OVERTAKEN_MS}ms`, 'reorder', `${100 - reorderPercent}%`);
  } else if (delayMs !== undefined) words.push('delay', `${delayMs}ms`);
  if (lossPercent !== undefined) words.push('loss', `${lossPercent}%`);
  if (duplicatePercent !== undefined) words.push('duplicate', `${duplicatePercent}%`);
  return words;
}

function nftRules(device: string, lossPercent: number): string {
  const rule = `numgen random mod 10000 < ${Math.round(lossPercent * 100)} drop;`;
  const chain = (hook: string): string =>
    `chain ${hook} { type filter hook ${hook} device "${device}" priority 0; ${rule} }`;
  return `table netdev impairment { ${chain('ingress')}; ${chain('egress')}; }`;
}
