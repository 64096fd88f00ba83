import {
  EAGAIN,
  EINTR,
  KVM_EXIT_FAIL_ENTRY,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_INTR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_IRQ_WINDOW_OPEN,
  KVM_EXIT_MMIO,
  KVM_EXIT_SHUTDOWN,
  KVM_EXIT_SYSTEM_EVENT,
  KVM_EXIT_X86_RDMSR,
  KVM_EXIT_X86_WRMSR,
  KVM_KVMCLOCK_CTRL,
  KVM_RUN,
  KVM_SYSTEM_EVENT_RESET,
  KVM_SYSTEM_EVENT_SHUTDOWN,
  RUN,
} from '../../../native/kvm';
import { libc } from '../../../native/libc';
import { errnoName } from '../../../native/native-error';
import { PROBE } from '../../trace/probes';
import type { TraceWriter } from '../../trace/trace-ring';
import type { BoardLock } from '../bus/board-lock';
import type { MmioBus } from '../bus/mmio-bus';
import type { PioBus } from '../bus/pio-bus';
import type { AccessSize } from '../bus/register-device';
import { type BoardWords, COMMAND, PHASE, WISH, type Wish } from './board-words';
import { EXIT_REASONS, exitReasonName } from './exit-counters';

/** What a vCPU's thread works with. */
export interface RunLoopParts {
  readonly index: number;
  /** Of the vCPU. */
  readonly fd: number;
  /** struct kvm_run and what follows it. */
  readonly run: Uint8Array;
  readonly pio: PioBus;
  readonly mmio: MmioBus;
  readonly lock: BoardLock;
  readonly words: BoardWords;
  /** This vCPU's row of the exit counters. */
  readonly counts: Float64Array;
  readonly trace: TraceWriter | undefined;
  /** Wakes the main thread, after a change of this vCPU's phase or of the guest's wish. */
  notice(): void;
}

/** The vCPU can't go on, and it is not the guest's wish. The message is for people. */
export class VcpuFailure extends Error {
  override readonly name = 'VcpuFailure';
}

/**
 * The life of a vCPU: in and out of KVM until the board is stopped or its guest makes a wish. Whoever wants its attention
 * changes the command, sets immediate_exit, then interrupts the thread; in that order nothing is missed.
 */
export class RunLoop {
  readonly #view: DataView;
  readonly #run: Uint8Array;

  constructor(private readonly parts: RunLoopParts) {
    this.#run = parts.run;
    this.#view = new DataView(parts.run.buffer, parts.run.byteOffset, parts.run.byteLength);
  }

  /** @throws VcpuFailure, or what a device throws: a mistake of ours. */
  run(): void {
    const { index, fd, counts, trace } = this.parts;
    if (!this.#obey()) return;
    for (;;) {
      const result = libc.ioctlQuick(fd, KVM_RUN, 0);
      if (result < 0) {
        if (result !== -EINTR && result !== -EAGAIN) throw new VcpuFailure(`KVM_RUN failed: ${errnoName(-result)}`);
        // EAGAIN: a CPU that waits for its INIT was woken.
        counts[KVM_EXIT_INTR] = (counts[KVM_EXIT_INTR] as number) + 1;
        Atomics.store(this.#run, RUN.immediateExit, 0);
        if (!this.#obey()) return;
        continue;
      }
      const reason = this.#view.getUint32(RUN.exitReason, true);
      const row = reason < EXIT_REASONS ? reason : EXIT_REASONS - 1;
      counts[row] = (counts[row] as number) + 1;
      trace?.record(PROBE['vmx-exit'], index, reason);
      if (!this.#handle(reason)) return;
    }
  }

  /** Waits until the board runs. False: it is over. */
  #obey(): boolean {
    const { words, index, notice, fd } = this.parts;
    for (;;) {
      switch (words.command) {
        case COMMAND.stop:
          return false;
        case COMMAND.run:
          if (words.phase(index) === PHASE.running) return true;
          // The guest's watchdogs are told that it stood still; a guest without kvmclock has no ear for it (EINVAL).
          if (words.phase(index) === PHASE.paused) libc.ioctlQuick(fd, KVM_KVMCLOCK_CTRL, 0);
          words.setPhase(index, PHASE.running);
          notice();
          return true;
        case COMMAND.pause:
          words.setPhase(index, PHASE.paused);
          notice();
          words.waitWhile(COMMAND.pause);
          break;
        case COMMAND.wait:
          words.waitWhile(COMMAND.wait);
          break;
      }
    }
  }

  /** False: this vCPU's life is over. */
  #handle(reason: number): boolean {
    switch (reason) {
      case KVM_EXIT_IO:
        this.#handleIo();
        return this.parts.words.wish === WISH.none;
      case KVM_EXIT_MMIO:
        this.#handleMmio();
        return this.parts.words.wish === WISH.none;
      case KVM_EXIT_IRQ_WINDOW_OPEN:
      case KVM_EXIT_INTR:
        return true;
      // Only with KvmVm.passUnknownMsrs().
      case KVM_EXIT_X86_RDMSR:
        this.#view.setBigUint64(RUN.msr.data, 0n, true);
        this.#run[RUN.msr.error] = 0;
        return true;
      case KVM_EXIT_X86_WRMSR:
        this.#run[RUN.msr.error] = 0;
        return true;
      case KVM_EXIT_SHUTDOWN:
        return this.#wish(WISH.tripleFault);
      case KVM_EXIT_SYSTEM_EVENT: {
        const type = this.#view.getUint32(RUN.systemEvent.type, true);
        if (type === KVM_SYSTEM_EVENT_SHUTDOWN) return this.#wish(WISH.powerOff);
        if (type === KVM_SYSTEM_EVENT_RESET) return this.#wish(WISH.reset);
        throw new VcpuFailure(`KVM reports system event ${type}`);
      }
      case KVM_EXIT_FAIL_ENTRY: {
        const hardware = this.#view.getBigUint64(RUN.failEntry.reason, true);
        throw new VcpuFailure(`the CPU refuses to run the guest: hardware reason 0x${hardware.toString(16)}`);
      }
      case KVM_EXIT_INTERNAL_ERROR:
        throw new VcpuFailure(this.#describeInternalError());
      default:
        throw new VcpuFailure(`KVM came back for an unknown reason: ${exitReasonName(reason)}`);
    }
  }

  #wish(wish: Wish): false {
    this.parts.words.makeWish(wish);
    return false;
  }

  /** `count` is above 1 for string instructions: so many accesses of the same port, one behind the other in memory. */
  #handleIo(): void {
    const view = this.#view;
    const { io } = RUN;
    const size = this.#run[io.size] as AccessSize;
    const port = view.getUint16(io.port, true);
    const count = view.getUint32(io.count, true);
    // The page behind struct kvm_run.
    const data = view.getUint32(io.dataOffset, true);
    const out = this.#run[io.direction] === KVM_EXIT_IO_OUT;
    const { pio, lock } = this.parts;
    lock.acquire();
    try {
      for (let at = data; at < data + size * count; at += size) {
        if (out) pio.write(port, size, readSized(view, at, size));
        else writeSized(view, at, size, pio.read(port, size));
      }
    } finally {
      lock.release();
    }
  }

  #handleMmio(): void {
    const { mmio: at } = RUN;
    const address = this.#view.getUint32(at.address + 4, true) * 0x1_0000_0000 + this.#view.getUint32(at.address, true);
    const length = Math.min(this.#view.getUint32(at.length, true), 8);
    const data = this.#run.subarray(at.data, at.data + length);
    const { index, mmio, lock, trace } = this.parts;
    trace?.record(PROBE['vmx-ept-fault'], index, address, Number(this.#run[at.isWrite] !== 0));
    lock.acquire();
    try {
      if (this.#run[at.isWrite] !== 0) mmio.write(address, data);
      else mmio.read(address, data);
    } finally {
      lock.release();
    }
  }

  #describeInternalError(): string {
    const { internal } = RUN;
    const suberror = this.#view.getUint32(internal.suberror, true);
    const count = Math.min(this.#view.getUint32(internal.count, true), 16);
    const data = Array.from({ length: count }, (_, index) =>
      this.#view.getBigUint64(internal.data + index * 8, true).toString(16),
    );
    const what = INTERNAL_ERRORS[suberror] ?? `internal error ${suberror}`;
    return `KVM can't go on: ${what}${data.length > 0 ? ` (${data.join(' ')})` : ''}`;
  }
}

/** KVM_INTERNAL_ERROR_* of linux/kvm.h. */
const INTERNAL_ERRORS: Readonly<Record<number, string>> = {
  1: 'it cannot emulate an instruction',
  2: 'simultaneous exceptions',
  3: 'an exit while it delivered an event',
  4: 'an exit that it does not expect',
};

function readSized(view: DataView, at: number, size: AccessSize): number {
  return size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
}

function writeSized(view: DataView, at: number, size: AccessSize, value: number): void {
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
}
