import type { Virtqueue } from './virtqueue';

/** What a virtio device is, as the transport announces it to the guest. Plain data: it goes to every vCPU's thread. */
export interface VirtioIdentity {
  /** Device type of the virtio specification 1.2, chapter 5: 1 network, 2 block, 3 console, 4 entropy, 9 9P, 19 socket. */
  readonly type: number;
  /** PCI class code, 24 bits. */
  readonly pciClass: number;
  /** Feature bits 0 to 23 and 50 to 63 of the device; the transport adds VERSION_1, INDIRECT_DESC and EVENT_IDX. */
  readonly features: bigint;
  /** Largest size of each queue, powers of two. */
  readonly queueSizes: readonly number[];
  /** The device's configuration space as it is at power-on. */
  readonly config: Uint8Array;
  /** Bytes of the configuration space that a driver may write; others ignore writes. */
  readonly writableConfig: ReadonlyArray<{ readonly offset: number; readonly length: number }>;
}

/**
 * The half of a virtio device that works on its queues. It lives in one thread (the main one, or an I/O worker), which
 * calls it; registers are the transport's.
 */
export interface VirtioDevice {
  readonly identity: VirtioIdentity;
  /** The driver is ready. `features`: what both sides know. Queues that the driver did not enable are undefined. */
  activate(queues: ReadonlyArray<Virtqueue | undefined>, features: bigint): void;
  /** The driver kicked queue `index`. A throw of EngineError HK_GUEST_FAULT stops this device until it is reset. */
  notified(index: number): void;
  /** The driver wrote to the configuration space. */
  configWritten?(config: Uint8Array): void;
  /** The driver resets the device, or the machine ends: after this (after the promise) no queue is touched any more. */
  deactivate(): void | Promise<void>;
  /** Gives back what the device owns. */
  close(): void | Promise<void>;
}
