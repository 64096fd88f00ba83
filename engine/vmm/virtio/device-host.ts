import { eventfds } from '../../../native/eventfd';
import type { BoardLock } from '../bus/board-lock';
import type { GuestMemory } from '../memory/guest-memory';
import type { PciFunction, PciFunctionWires } from '../pci/pci-function';
import type { VirtioDevice } from './device-model';
import {
  DEVICE_NEEDS_RESET,
  DRIVER_OK,
  PHASE_IDLE,
  PHASE_RUNNING,
  PHASE_STARTING,
  PHASE_STOPPING,
  QUEUE_WORDS,
  TransportState,
  VIRTIO_F_EVENT_IDX,
  VIRTIO_F_INDIRECT_DESC,
  WORDS,
} from './transport-state';
import type { VirtioChannel } from './virtio-channel';
import { VirtioInterrupts } from './virtio-interrupts';
import { Virtqueue } from './virtqueue';

/** What the device half of a virtio device needs of its thread. */
export interface DeviceSurroundings {
  readonly memory: GuestMemory;
  readonly pci: PciFunction;
  readonly wires: PciFunctionWires;
  readonly lock: BoardLock;
  /** A device was stopped: by what its driver did (EngineError HK_GUEST_FAULT), or by a mistake of ours. */
  readonly report: (fault: Error) => void;
}

/** A driver that is broken again after each reset would fill a disk with reports. */
const MAX_REPORTS = 10;

/** The device half at work: gives the device its queues when the driver is ready, and takes them away. */
export class DeviceHost {
  readonly #state: TransportState;
  readonly #interrupts: VirtioInterrupts;
  /** The device has its queues, and these are the ones. */
  #active = false;
  #queues: ReadonlyArray<Virtqueue | undefined> = [];
  /** The device's promise to let go of its queues. */
  #leaving: Promise<void> | undefined;
  #stopped = false;
  /** Found by the device outside of {@link kicked}. */
  #fault: Error | undefined;
  #reports = 0;

  constructor(
    private readonly device: VirtioDevice,
    private readonly channel: VirtioChannel,
    private readonly surroundings: DeviceSurroundings,
  ) {
    this.#state = new TransportState(channel.identity, channel.shared);
    this.#interrupts = new VirtioInterrupts(this.#state, surroundings.pci, surroundings.wires);
  }

  /** The control eventfd was signalled. */
  controlled(): void {
    if (this.#stopped || this.#leaving !== undefined) return;
    if (this.#fault !== undefined) this.#fail(this.#fault);
    const phase = this.#locked(() => this.#takePhase());
    if (phase === PHASE_STARTING) this.#start();
    if (phase === PHASE_STOPPING) this.#leave(() => this.#finishReset());
    if (this.#active) this.#passConfig();
  }

  /** The kick eventfd of queue `index` was signalled. */
  kicked(index: number): void {
    // A driver may kick queues that it did not enable.
    if (!this.#active || this.#queues[index] === undefined) return;
    try {
      this.device.notified(index);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** The device itself changes its configuration: the driver is told. */
  changeConfig(offset: number, bytes: Uint8Array): void {
    this.#locked(() => {
      this.#state.config.set(bytes, offset);
      this.#state.set(WORDS.configGeneration, this.#state.get(WORDS.configGeneration) + 1);
      if ((this.#state.get(WORDS.status) & DRIVER_OK) !== 0) this.#interrupts.raiseConfig();
    });
  }

  /** The machine ends: no queue is touched after this, or after its promise. */
  stop(): void | Promise<void> {
    this.#stopped = true;
    this.#leave(() => undefined);
    return this.#leaving;
  }

  /** The reset may follow the start at once, so the start is taken note of in the same turn as it is seen. */
  #takePhase(): number {
    const phase = this.#state.get(WORDS.phase);
    if (phase === PHASE_STARTING) this.#state.set(WORDS.phase, PHASE_RUNNING);
    return phase;
  }

  #start(): void {
    try {
      const features = this.#locked(() => this.#state.negotiated);
      this.#queues = this.#locked(() => this.#openQueues(features));
      this.#active = true;
      this.device.activate(this.#queues, features);
      // Kicks before this reached nobody.
      for (const index of this.#queues.keys()) this.kicked(index);
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #openQueues(features: bigint): ReadonlyArray<Virtqueue | undefined> {
    const state = this.#state;
    return state.identity.queueSizes.map((_, index) => {
      if (state.getQueue(index, QUEUE_WORDS.enabled) === 0) return undefined;
      const layout = {
        size: state.getQueue(index, QUEUE_WORDS.size),
        descriptorTable: state.getQueueAddress(index, QUEUE_WORDS.descriptorTable),
        availableRing: state.getQueueAddress(index, QUEUE_WORDS.availableRing),
        usedRing: state.getQueueAddress(index, QUEUE_WORDS.usedRing),
        indirect: (features & VIRTIO_F_INDIRECT_DESC) !== 0n,
        eventIndex: (features & VIRTIO_F_EVENT_IDX) !== 0n,
      };
      const interrupt = () => this.#locked(() => this.#interrupts.raiseQueue(index));
      return new Virtqueue(this.surroundings.memory, layout, interrupt, {
        // The device is in the middle of something when it calls this.
        fail: (fault) => {
          this.#fault ??= fault;
          eventfds.signal(this.channel.controlEventfd);
        },
        again: () => eventfds.signal(this.channel.kickEventfds[index] as number),
      });
    });
  }

  #passConfig(): void {
    const config = this.#locked(() => {
      if (this.#state.get(WORDS.configWritten) === 0) return undefined;
      this.#state.set(WORDS.configWritten, 0);
      return Uint8Array.from(this.#state.config);
    });
    if (config !== undefined) this.device.configWritten?.(config);
  }

  /** Stops the device until its driver resets it (2.1.2). */
  #fail(error: Error): void {
    if (this.#reports++ < MAX_REPORTS) this.surroundings.report(error);
    this.#leave(() => this.#locked(() => this.#askForReset()));
  }

  #askForReset(): void {
    const status = this.#state.get(WORDS.status);
    if ((status & DRIVER_OK) === 0) return;
    this.#state.set(WORDS.status, status | DEVICE_NEEDS_RESET);
    this.#interrupts.raiseConfig();
  }

  #finishReset(): void {
    this.#locked(() => {
      this.#state.reset();
      this.#state.set(WORDS.phase, PHASE_IDLE);
      this.#interrupts.lower();
    });
  }

  /** Takes the queues away, at once or when the device is done with them; then `left`. */
  #leave(left: () => void): void {
    const leaving = this.#active ? this.device.deactivate() : undefined;
    this.#active = false;
    this.#fault = undefined;
    if (leaving === undefined) {
      left();
      return;
    }
    this.#leaving = leaving.catch(this.surroundings.report).then(() => {
      this.#leaving = undefined;
      left();
      this.controlled();
    });
  }

  #locked<T>(action: () => T): T {
    return this.surroundings.lock.run(action);
  }
}
