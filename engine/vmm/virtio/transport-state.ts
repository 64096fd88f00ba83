import type { VirtioIdentity } from './device-model';

/** Device status (virtio 1.2, 2.1). */
export const ACKNOWLEDGE = 0x01;
export const DRIVER = 0x02;
export const DRIVER_OK = 0x04;
export const FEATURES_OK = 0x08;
export const DEVICE_NEEDS_RESET = 0x40;
export const FAILED = 0x80;

/** Feature bits that are the transport's (virtio 1.2, chapter 6). */
export const VIRTIO_F_INDIRECT_DESC = 1n << 28n;
export const VIRTIO_F_EVENT_IDX = 1n << 29n;
export const VIRTIO_F_VERSION_1 = 1n << 32n;

/** "No vector" (4.1.5.1.2). */
export const VIRTIO_MSI_NO_VECTOR = 0xffff;

/** Bits of the ISR register (4.1.4.5). */
export const ISR_QUEUE = 1;
export const ISR_CONFIG = 2;

/** Where the two halves of a device stand with each other. */
export const PHASE_IDLE = 0;
/** The driver is ready; the device half has not looked yet. */
export const PHASE_STARTING = 1;
export const PHASE_RUNNING = 2;
/** The driver wrote a reset; the device half may still touch queues. */
export const PHASE_STOPPING = 3;

export const WORDS = {
  deviceFeatureSelect: 0,
  driverFeatureSelect: 1,
  driverFeaturesLow: 2,
  driverFeaturesHigh: 3,
  status: 4,
  configGeneration: 5,
  queueSelect: 6,
  configVector: 7,
  isr: 8,
  phase: 9,
  /** The driver wrote to the configuration space, and the device half has not looked yet. */
  configWritten: 10,
  /** What the window in PCI configuration space shows (4.1.4.9). */
  windowBar: 11,
  windowOffset: 12,
  windowLength: 13,
} as const;
const HEADER_WORDS = 14;

export const QUEUE_WORDS = {
  size: 0,
  enabled: 1,
  vector: 2,
  descriptorTable: 3,
  availableRing: 5,
  usedRing: 7,
} as const;
const WORDS_PER_QUEUE = 9;

/**
 * Everything that a driver can change in a virtio device, in memory that all threads share: the halves of a device have
 * an object each. Whoever calls holds the board's lock.
 *
 * Layout: the header's u32 words, nine u32 words for each queue (addresses are two, the lower first), the device's
 * configuration space.
 */
export class TransportState {
  static bytes(identity: VirtioIdentity): number {
    return 4 * (HEADER_WORDS + WORDS_PER_QUEUE * identity.queueSizes.length) + identity.config.length;
  }

  readonly config: Uint8Array;
  readonly #words: Uint32Array;

  constructor(
    readonly identity: VirtioIdentity,
    shared: SharedArrayBuffer,
  ) {
    const words = HEADER_WORDS + WORDS_PER_QUEUE * identity.queueSizes.length;
    this.#words = new Uint32Array(shared, 0, words);
    this.config = new Uint8Array(shared, 4 * words, identity.config.length);
  }

  /** What the transport and the device offer together. */
  get offered(): bigint {
    return this.identity.features | VIRTIO_F_VERSION_1 | VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;
  }

  /** What both sides know. */
  get negotiated(): bigint {
    const high = BigInt(this.get(WORDS.driverFeaturesHigh));
    return ((high << 32n) | BigInt(this.get(WORDS.driverFeaturesLow))) & this.offered;
  }

  get(word: number): number {
    return this.#words[word] as number;
  }

  set(word: number, value: number): void {
    this.#words[word] = value;
  }

  getQueue(queue: number, word: number): number {
    return this.#words[HEADER_WORDS + WORDS_PER_QUEUE * queue + word] as number;
  }

  setQueue(queue: number, word: number, value: number): void {
    this.#words[HEADER_WORDS + WORDS_PER_QUEUE * queue + word] = value;
  }

  getQueueAddress(queue: number, word: number): number {
    return this.getQueue(queue, word + 1) * 0x1_0000_0000 + this.getQueue(queue, word);
  }

  /** Power-on. */
  initialize(): void {
    this.#words.fill(0);
    this.config.set(this.identity.config);
    this.reset();
  }

  /** What the driver did is undone (4.1.4.3); what the device itself changed in its configuration stays. */
  reset(): void {
    const { configGeneration, windowBar, windowOffset, windowLength } = WORDS;
    for (let word = 0; word < HEADER_WORDS; word++) {
      if (word !== configGeneration && word !== windowBar && word !== windowOffset && word !== windowLength) {
        this.set(word, 0);
      }
    }
    this.set(WORDS.configVector, VIRTIO_MSI_NO_VECTOR);
    for (const [queue, size] of this.identity.queueSizes.entries()) {
      for (let word = 0; word < WORDS_PER_QUEUE; word++) this.setQueue(queue, word, 0);
      this.setQueue(queue, QUEUE_WORDS.size, size);
      this.setQueue(queue, QUEUE_WORDS.vector, VIRTIO_MSI_NO_VECTOR);
    }
    for (const { offset, length } of this.identity.writableConfig) {
      this.config.set(this.identity.config.subarray(offset, offset + length), offset);
    }
  }
}
