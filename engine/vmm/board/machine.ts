import { eventfds } from '../../../native/eventfd';
import type { Reactor, Watch } from '../../net/reactor/reactor';
import type { IoThread } from '../io/io-thread';
import type { KvmVm } from '../kvm/kvm-vm';
import { discardMemory } from '../memory/allocate-memory';
import type { MemoryRegion } from '../memory/guest-memory';
import { NOTICE, PHASE, WISH, type Wish } from '../vcpu/board-words';
import type { Vcpu } from '../vcpu/create-vcpu';
import type { ExitCounters } from '../vcpu/exit-counters';
import type { VcpuThreads } from '../vcpu/vcpu-threads';
import type { VcpuWorkers } from '../vcpu/vcpu-workers';
import type { Board } from './assemble-board';
import type { BoardExit, RunningBoard, SerialLine } from './board-attachments';
import { ConditionWaiters } from './condition-waiters';
import type { PluggedDevice } from './plug-devices';
import type { SerialLines } from './serial-lines';

/** Everything that a running board is made of. */
export interface MachineParts {
  readonly vm: KvmVm;
  readonly vcpus: readonly Vcpu[];
  readonly workers: VcpuWorkers;
  readonly threads: VcpuThreads;
  readonly memory: readonly MemoryRegion[];
  readonly board: Board;
  readonly lines: SerialLines;
  readonly counters: ExitCounters;
  readonly devices: readonly PluggedDevice[];
  /** Where the disks work, if there are any. */
  readonly io: IoThread | undefined;
  /** Why a device's thread made an end to the machine. */
  readonly trouble: () => string | undefined;
  readonly noticeEventfd: number;
  readonly reactor: Reactor;
  /** The reactor goes with the machine. */
  readonly ownsReactor: boolean;
  log(line: string): void;
}

const EXITS: Readonly<Partial<Record<Wish, BoardExit>>> = {
  [WISH.powerOff]: { kind: 'power-off' },
  [WISH.reset]: { kind: 'reset' },
  [WISH.tripleFault]: { kind: 'triple-fault' },
};

/** A machine whose vCPUs run: the main thread's part of its life, and its end. */
export class Machine implements RunningBoard {
  readonly exited: Promise<BoardExit>;
  readonly #watch: Watch;
  #rtcTimer: NodeJS.Timeout | undefined;
  #killed = false;
  #ending = false;
  /** Of the vCPUs' phases. */
  readonly #phases = new ConditionWaiters();

  constructor(private readonly parts: MachineParts) {
    this.#watch = parts.reactor.watch(parts.noticeEventfd, () => this.#noticed());
    this.exited = parts.workers.ended.then(async (failure) => await this.#tearDown(failure));
  }

  /** Resolves when vCPU 0 runs, or has ended already. */
  async run(): Promise<void> {
    const { threads, board } = this.parts;
    threads.run();
    await this.#phases.until(() => board.words.phase(0) !== PHASE.starting);
  }

  powerButton(): void {
    const { lock, acpi } = this.parts.board;
    if (!this.#ending) lock.run(() => acpi.pressPowerButton());
  }

  get acpiEnabled(): boolean {
    return this.parts.board.acpi.acpiEnabled;
  }

  async pause(): Promise<void> {
    if (this.#ending) return;
    this.parts.threads.pause();
    await this.#phases.until(() => this.parts.threads.allIn(PHASE.paused, PHASE.ended));
  }

  async resume(): Promise<void> {
    if (this.#ending) return;
    this.parts.threads.run();
    await this.#phases.until(() => this.parts.threads.allIn(PHASE.running, PHASE.ended));
  }

  async kill(): Promise<void> {
    this.#killed ||= !this.#ending;
    this.#end();
    await this.exited;
  }

  typeIn(line: SerialLine, bytes: Uint8Array): number {
    return this.#ending ? bytes.length : this.parts.lines.typeIn(line, bytes);
  }

  onTypeReady(line: SerialLine, listener: () => void): void {
    this.parts.lines.onTypeReady(line, listener);
  }

  exitCounts(): ReadonlyArray<Readonly<Record<string, number>>> {
    return this.parts.vcpus.map((_, index) => this.parts.counters.read(index));
  }

  #noticed(): void {
    const { words, cmos, lock } = this.parts.board;
    const { lines } = this.parts;
    const notices = words.takeNotices();
    if ((notices & NOTICE.inputWanted) !== 0) lines.inputWanted();
    if ((notices & NOTICE.alarmChanged) !== 0) this.#setAlarm(lock.run(() => cmos.tick()));
    if (lines.drain()) this.#watch.again();
    if (words.wish !== WISH.none) this.#end();
    this.#phases.settle();
  }

  #setAlarm(afterMs: number | undefined): void {
    const { cmos, lock } = this.parts.board;
    clearTimeout(this.#rtcTimer);
    if (afterMs === undefined || this.#ending) return;
    // A timer of Node takes 24 days at most; by then the clock is looked at again.
    const delayMs = Math.min(Math.max(1, Math.ceil(afterMs)), 0x7fff_ffff);
    this.#rtcTimer = setTimeout(() => this.#setAlarm(lock.run(() => cmos.tick())), delayMs);
  }

  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.parts.threads.stop();
  }

  async #tearDown(failure: string | undefined): Promise<BoardExit> {
    this.#ending = true;
    const { threads, board, lines, vm, vcpus, memory, devices, io, noticeEventfd, reactor, ownsReactor, log } =
      this.parts;
    clearTimeout(this.#rtcTimer);
    this.#watch.close();
    this.#phases.settle();
    while (lines.drain());
    const wish = board.words.wish;
    await io?.close();
    for (const device of devices) {
      await Promise.resolve(device.close()).catch((error: Error) => log(`a device ended badly: ${error.message}`));
    }
    threads.release();
    for (const vcpu of vcpus) vcpu.close();
    vm.close();
    eventfds.close(noticeEventfd);
    if (ownsReactor) reactor.close();
    discardMemory(memory);
    const detail = failure ?? this.parts.trouble();
    if (detail !== undefined) return { kind: 'failed', detail };
    return this.#killed ? { kind: 'killed' } : (EXITS[wish] ?? { kind: 'failed', detail: 'all CPUs ended' });
  }
}
