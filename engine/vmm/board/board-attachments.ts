import type { Reactor } from '../../net/reactor/reactor';
import type { VcpuWorkers } from '../vcpu/vcpu-workers';
import type { NicBackend } from '../virtio/net/nic-backend';

/** Takes what a guest sends through a serial line. Called in order, in the main thread; the bytes are the callee's. */
export interface SerialSink {
  write(bytes: Uint8Array): void;
}

/** What a board is connected to. The board owns the NICs, and closes them even when its start fails; the rest stays the caller's. */
export interface BoardAttachments {
  /** Undefined: what the guest sends is dropped. */
  readonly com1: SerialSink | undefined;
  readonly com2: SerialSink | undefined;
  /** Serial cards and consoles on the PCI bus (`uart`, `virtio-console`), in the order of their slots. */
  readonly cards?: readonly (SerialSink | undefined)[];
  readonly debugConsole?: SerialSink | undefined;
  readonly debugger?: SerialSink | undefined;
  /** One for each NIC of the specification, in order. */
  readonly nics: readonly NicBackend[];
  /** The event loop in which the NICs live; undefined: the board makes one. */
  readonly reactor?: Reactor | undefined;
  /** Threads for the vCPUs, as many as there are vCPUs, that were started ahead. They belong to the board now. */
  readonly workers?: VcpuWorkers | undefined;
  /** Memory for the trace of a thread, see engine/trace/trace-ring.ts; undefined: nobody traces. */
  readonly trace?: ((thread: string) => SharedArrayBuffer) | undefined;
  log(line: string): void;
}

/** Lines into the guest. A number is a PCI serial card or console, counted as in {@link BoardAttachments.cards}. */
export type SerialLine = 'com1' | 'com2' | 'debug-console' | 'debugger' | number;

/** Why a board ended. */
export type BoardExit =
  | { readonly kind: 'power-off' | 'reset' | 'triple-fault' | 'killed' | 'halted' }
  | { readonly kind: 'failed'; readonly detail: string };

/** A virtual machine that has been started and not yet ended. */
export interface RunningBoard {
  /** Presses the ACPI power button. A guest that has not taken ACPI over doesn't hear it. */
  powerButton(): void;
  /** The guest has taken ACPI over, so that it will hear the power button. */
  readonly acpiEnabled: boolean;
  /** Stops the CPUs; resolves when all of them stand still. Devices go on with what they have been asked for. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends the machine at once; resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** Answers how many bytes were taken. The rest is for later: see {@link onTypeReady}. */
  typeIn(line: SerialLine, bytes: Uint8Array): number;
  /** `listener` is called when a line that did not take everything has room again. */
  onTypeReady(line: SerialLine, listener: () => void): void;
  /** How often each CPU came back from KVM so far, by reason. */
  exitCounts(): ReadonlyArray<Readonly<Record<string, number>>>;
  /** Settles once, never rejects. After it nothing of the machine (thread, descriptor, mapping) is left. */
  readonly exited: Promise<BoardExit>;
}
