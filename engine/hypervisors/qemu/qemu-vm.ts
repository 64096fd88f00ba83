import type { Duplex } from 'node:stream';
import { EngineError } from '../../errors';
import type { VmSpec } from '../../spec/vm-spec';
import type { Attachments, ExitReason, GuestPorts } from '../hypervisor';
import type { PausableVm, RunState } from '../pausable';
import type { Surroundings } from '../surroundings';
import type { SuspendableVm, SuspendRequest, SuspensionTraits } from '../suspendable';
import { NETDEV, type QemuAccelerator, qemuArguments, type WarmGuest } from './arguments';
import { connectInput } from './connect-input';
import type { UsableQemu } from './prepare-qemu';
import type { QemuBuild } from './qemu-build';
import { classifyEnd, describeEnd, startFailure } from './qemu-failure';
import { type ProcessEnd, type QemuProcess, type QemuWires, startQemuProcess } from './qemu-process';
import { QmpClient, type QmpEvent } from './qmp-client';
import { saveQemu } from './save-qemu';
import { traitsOf } from './suspension-traits';

const START_DEADLINE_MS = 30_000;
/** How often a guest that stands because the host's disk was full is let go on, to see whether there is space now. */
const RETRY_FULL_DISK_MS = 15_000;
/** A guest that stands loses no time by what its saving takes of the disk. */
const UNBOUNDED_BYTES_PER_SECOND = 2 ** 40;

/** How a guest enters that does not simply boot. */
export interface WarmEntry {
  /** A template, or a copy of one; undefined: it has the devices of one that boots. */
  readonly guest?: WarmGuest;
  /** What it is read from; stays the caller's. */
  readonly savedFd?: number;
  readonly enter?: (vm: QemuVm) => Promise<void>;
}

/** Starts QEMU for a machine and waits until the guest runs. @throws EngineError; nothing is left of the process then. */
export async function startQemuVm(
  spec: VmSpec,
  { console, cable }: Attachments,
  { build, accelerator }: Pick<UsableQemu, 'build' | 'accelerator'>,
  surroundings: Surroundings,
  warm?: WarmEntry,
): Promise<QemuVm> {
  const socket = cable?.openSocket();
  const nic = socket === undefined ? [] : [socket.fd];
  const state = warm?.savedFd === undefined ? [] : [warm.savedFd];
  const channel = warm?.guest === undefined ? ('unused' as const) : ('channel' as const);
  const host = {
    accelerator,
    sandbox: build.sandbox,
    nicMtu: cable?.mtu,
    ...(warm?.guest && { warm: warm.guest }),
    incoming: state.length > 0,
  };
  const devices = warm?.guest === undefined ? 'booted' : 'restored';
  const start: QemuStart = {
    name: spec.name,
    memoryMiB: spec.memoryMiB,
    build,
    accelerator,
    commandLine: qemuArguments(spec, host),
    wires: {
      consoles: [(bytes) => console.write(bytes)],
      lent: warm === undefined ? nic : [...nic, channel, ...state],
    },
    ownNetwork: cable === undefined ? spec.network.bindAddress : undefined,
    ...(cable && warm?.guest?.role !== 'template' && { traits: traitsOf({ build, accelerator }, devices, cable.mtu) }),
    ...(warm?.enter && { enter: warm.enter }),
  };
  try {
    const vm = await startQemu(start, surroundings);
    for (const serial of vm.serials) connectInput(serial, console);
    return vm;
  } finally {
    // By now QEMU has its own copy, or there is no QEMU.
    socket?.release();
  }
}

/** One QEMU to be started. */
export interface QemuStart {
  /** Shown to people. */
  readonly name: string;
  readonly memoryMiB: number;
  readonly build: QemuBuild;
  readonly accelerator: QemuAccelerator;
  readonly commandLine: readonly string[];
  readonly wires: QemuWires;
  /** The host's address of the ports of QEMU's own network; undefined: it has none. */
  readonly ownNetwork: string | undefined;
  /** What the guest will need when it was suspended; undefined: it can't be. */
  readonly traits?: SuspensionTraits;
  /** Resolves when the guest runs; unless told, QEMU has to run it by itself. */
  readonly enter?: (vm: QemuVm) => Promise<void>;
}

/** Starts QEMU and waits until the guest runs. @throws EngineError; nothing is left of the process then. */
export async function startQemu(start: QemuStart, surroundings: Surroundings): Promise<QemuVm> {
  const qemu = await startQemuProcess(start.build.program, start.commandLine, start.wires, surroundings);
  const vm = new QemuVm(qemu, `qemu/${start.accelerator}`, start.ownNetwork, start.traits);
  // A process that ends early, or never starts, answers here; the rejection is handled by the race even when it comes late.
  const endedEarly = qemu.ended.then((end): never => {
    throw new Error(describeEnd(end));
  });
  const { signal } = surroundings;
  let onAbort: (() => void) | undefined;
  const abandoned = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort);
  });
  try {
    const entered = start.enter === undefined ? vm.connect(START_DEADLINE_MS) : start.enter(vm);
    await Promise.race([entered, endedEarly, abandoned]);
    return vm;
  } catch (error) {
    // When QEMU gives up by itself its pipes break first: its own words are worth the wait for its end.
    await Promise.race([qemu.ended.catch(() => undefined), delay(200)]);
    await vm.kill();
    signal?.throwIfAborted();
    const end = await qemu.ended.catch(() => undefined);
    const what = end && end.signal !== 'SIGKILL' ? describeEnd(end) : (error as Error).message;
    throw startFailure(start, what, qemu.lastWords.lines(), error);
  } finally {
    if (onAbort) signal?.removeEventListener('abort', onAbort);
  }
}

export class QemuVm implements PausableVm, SuspendableVm {
  readonly backend: string;
  readonly children: readonly { readonly pid: number }[];
  readonly exited: Promise<ExitReason>;
  readonly ports: GuestPorts | undefined;
  readonly #qemu: QemuProcess;
  readonly #qmp: QmpClient;
  readonly #traits: SuspensionTraits | undefined;
  #killed = false;
  /** `saved`: the state is in a file; not a step of the guest may follow. */
  #suspension: 'none' | 'saving' | 'saved' = 'none';
  #paused = false;
  #shutdownReason: string | undefined;
  #listener: ((state: RunState) => void) | undefined;
  #retry: NodeJS.Timeout | undefined;
  #diskFull = false;
  #migrating: Promise<void> | undefined;
  #migrated: ((status: unknown) => void) | undefined;

  /**
   * @param bindAddress where the ports of QEMU's own network are; undefined: it has none.
   * @param traits of a guest that can be suspended
   */
  constructor(
    qemu: QemuProcess,
    backend: string,
    bindAddress: string | undefined,
    traits: SuspensionTraits | undefined,
  ) {
    this.#qemu = qemu;
    this.#traits = traits;
    this.ports = bindAddress === undefined ? undefined : this.#userNetworkPorts(bindAddress);
    this.backend = backend;
    this.children = qemu.pid === undefined ? [] : [{ pid: qemu.pid }];
    this.#qmp = new QmpClient(qemu.qmp, (event) => this.#onEvent(event));
    this.exited = qemu.ended.then(
      (end) => this.#conclude(end),
      (error: Error) => ({ kind: 'failed', detail: error.message }),
    );
  }

  /** Resolves when QEMU runs guest code: its devices and ports are set up before it answers the first command. */
  async connect(deadlineMs: number): Promise<void> {
    await this.#qmp.connect(deadlineMs);
    const { running, status } = await this.#qmp.execute('query-status', deadlineMs);
    if (!running) throw new Error(`QEMU does not run the guest: its state is ${status}`);
  }

  async powerButton(): Promise<void> {
    this.#refuseWhileSuspending();
    if (this.#paused) await this.resume();
    await this.#qmp.execute('system_powerdown');
  }

  /** Our ends of its serial ports, for what is typed. */
  get serials(): readonly Duplex[] {
    return this.#qemu.serials;
  }

  /** Our ends of its channels. */
  get channels(): readonly Duplex[] {
    return this.#qemu.channels;
  }

  async suspend(request: SuspendRequest): Promise<void> {
    const traits = this.#traits;
    if (traits === undefined) {
      const text = "cannot suspend this machine: its network is QEMU's own, and could not be put together again";
      throw new EngineError('HK_REQUEST_UNSUPPORTED', text);
    }
    this.#refuseWhileSuspending();
    if (this.#paused) throw new EngineError('HK_REQUEST_UNSUPPORTED', 'cannot suspend this machine: it is paused');
    this.#suspension = 'saving';
    try {
      await saveQemu(this, traits, request);
      this.#suspension = 'saved';
    } finally {
      if (this.#suspension === 'saving') this.#suspension = 'none';
    }
    this.#qemu.kill();
    await this.exited;
  }

  /** Nobody else starts a guest that is being saved. */
  #refuseWhileSuspending(): void {
    if (this.#suspension === 'none') return;
    throw new EngineError('HK_REQUEST_UNSUPPORTED', 'cannot do this now: the machine is being suspended');
  }

  /** Stops the guest and writes its state to a unix socket; memory that is a file is the file's. */
  async sendState(socketPath: string, what: 'with memory' | 'without memory'): Promise<void> {
    await this.#qmp.execute('stop');
    await this.#prepareMigration(what);
    const migrated = this.#migration();
    await this.#qmp.execute('migrate', undefined, { uri: `unix:${socketPath}` });
    await migrated;
  }

  /** The other way round, from a descriptor that QEMU inherited; resolves when the guest may go on. */
  async receiveState(fd: number, what: 'with memory' | 'without memory'): Promise<void> {
    await this.#qmp.connect(START_DEADLINE_MS);
    await this.#prepareMigration(what);
    const migrated = this.#migration();
    await this.#qmp.execute('migrate-incoming', undefined, { uri: `fd:${fd}` });
    await migrated;
  }

  /** Ends a {@link sendState} that is under way or has failed. */
  async cancelState(): Promise<void> {
    const over = this.#migrating?.catch(() => undefined);
    await this.#qmp.execute('migrate_cancel');
    await over;
  }

  async #prepareMigration(what: 'with memory' | 'without memory'): Promise<void> {
    const capabilities = [
      { capability: 'x-ignore-shared', state: what === 'without memory' },
      { capability: 'events', state: true },
    ];
    await this.#qmp.execute('migrate-set-capabilities', undefined, { capabilities });
    await this.#qmp.execute('migrate-set-parameters', undefined, { 'max-bandwidth': UNBOUNDED_BYTES_PER_SECOND });
  }

  #migration(): Promise<void> {
    this.#migrating = new Promise<void>((resolve, reject) => {
      this.#migrated = (status) => {
        if (status === 'completed') resolve();
        if (status === 'failed' || status === 'cancelled') reject(new Error('QEMU could not carry the state over'));
      };
    });
    // Who waits for it hears of it.
    this.#migrating.catch(() => undefined);
    return this.#migrating;
  }

  /** Two bytes of an I/O port, as a CPU of the guest would read them. */
  async readPort(port: number): Promise<number> {
    const said = await this.#monitor(`i /w 0x${port.toString(16)}`);
    return Number.parseInt(/=\s*(0x[0-9a-f]+)/i.exec(said)?.[1] ?? '0', 16);
  }

  async pause(): Promise<void> {
    await this.#qmp.execute('stop');
  }

  async resume(): Promise<void> {
    this.#refuseWhileSuspending();
    await this.goOn();
  }

  /** The guest goes on, whatever it stood for. */
  async goOn(): Promise<void> {
    await this.#qmp.execute('cont');
  }

  onRunState(listener: (state: RunState) => void): void {
    this.#listener = listener;
  }

  #userNetworkPorts(address: string): GuestPorts {
    return {
      open: async ({ protocol, port }) => {
        const said = await this.#monitor(`hostfwd_add ${NETDEV} ${protocol}:${address}:${port}-:${port}`);
        if (said !== '') throw new EngineError('HK_ADDRESS_IN_USE', `QEMU cannot listen on ${address}: ${said}`);
      },
      close: async ({ protocol, port }) => {
        await this.#monitor(`hostfwd_remove ${NETDEV} ${protocol}:${address}:${port}`);
      },
    };
  }

  /** Host forwards can be changed in QEMU's human monitor only; it answers with text, none when all went well. */
  async #monitor(commandLine: string): Promise<string> {
    const said = await this.#qmp.execute('human-monitor-command', undefined, { 'command-line': commandLine });
    return said.trim();
  }

  async kill(): Promise<void> {
    this.#killed = true;
    this.#qemu.kill();
    await this.exited;
  }

  #conclude(end: ProcessEnd): ExitReason {
    clearTimeout(this.#retry);
    this.#migrated?.('failed');
    if (this.#suspension === 'saved') return { kind: 'suspended' };
    const killed = this.#killed;
    return classifyEnd({
      ...end,
      killed,
      shutdownReason: this.#shutdownReason,
      lastWords: this.#qemu.lastWords.lines(),
    });
  }

  #onEvent({ name, data }: QmpEvent): void {
    switch (name) {
      case 'SHUTDOWN':
        this.#shutdownReason ??= typeof data.reason === 'string' ? data.reason : 'guest-shutdown';
        return;
      case 'MIGRATION':
        this.#migrated?.(data.status);
        return;
      case 'BLOCK_IO_ERROR':
        // The default policy stops the guest when the host has no space (QEMU's werror=enospc) instead of failing its writes.
        this.#diskFull = data.action === 'stop' && data.nospace === true;
        return;
      case 'STOP':
        this.#setPaused(true);
        return;
      case 'RESUME':
        this.#setPaused(false);
        return;
      default:
        return;
    }
  }

  #setPaused(paused: boolean): void {
    this.#paused = paused;
    clearTimeout(this.#retry);
    const notice = 'the disk of this computer is full; the guest goes on by itself when there is space again';
    const full = paused && this.#diskFull;
    this.#diskFull = false;
    if (full) this.#retry = setTimeout(() => void this.resume().catch(() => undefined), RETRY_FULL_DISK_MS);
    this.#listener?.({ paused, ...(full && { notice }) });
  }
}

async function delay(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
