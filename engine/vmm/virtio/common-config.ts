import type { AccessSize, RegisterDevice } from '../bus/register-device';
import {
  ACKNOWLEDGE,
  DRIVER,
  DRIVER_OK,
  FAILED,
  FEATURES_OK,
  PHASE_IDLE,
  PHASE_STARTING,
  PHASE_STOPPING,
  QUEUE_WORDS,
  type TransportState,
  VIRTIO_F_VERSION_1,
  VIRTIO_MSI_NO_VECTOR,
  WORDS,
} from './transport-state';

/** struct virtio_pci_common_cfg (virtio 1.2, 4.1.4.3): offsets. Those from `QUEUE_SIZE` on are of the selected queue. */
const DEVICE_FEATURE_SELECT = 0;
const DEVICE_FEATURE = 4;
const DRIVER_FEATURE_SELECT = 8;
const DRIVER_FEATURE = 12;
const CONFIG_MSIX_VECTOR = 16;
const NUM_QUEUES = 18;
const DEVICE_STATUS = 20;
const CONFIG_GENERATION = 21;
const QUEUE_SELECT = 22;
const QUEUE_SIZE = 24;
const QUEUE_MSIX_VECTOR = 26;
const QUEUE_ENABLE = 28;
const QUEUE_NOTIFY_OFF = 30;
const QUEUE_DESC = 32;
const QUEUE_DRIVER = 40;
const QUEUE_DEVICE = 48;
export const COMMON_CONFIG_BYTES = 56;

/** Width of the register that begins at an offset. Drivers may access the 8-byte ones only as two words (4.1.3.1). */
const WIDTHS: Readonly<Record<number, AccessSize>> = {
  [DEVICE_FEATURE_SELECT]: 4,
  [DEVICE_FEATURE]: 4,
  [DRIVER_FEATURE_SELECT]: 4,
  [DRIVER_FEATURE]: 4,
  [CONFIG_MSIX_VECTOR]: 2,
  [NUM_QUEUES]: 2,
  [DEVICE_STATUS]: 1,
  [CONFIG_GENERATION]: 1,
  [QUEUE_SELECT]: 2,
  [QUEUE_SIZE]: 2,
  [QUEUE_MSIX_VECTOR]: 2,
  [QUEUE_ENABLE]: 2,
  [QUEUE_NOTIFY_OFF]: 2,
  [QUEUE_DESC]: 4,
  [QUEUE_DESC + 4]: 4,
  [QUEUE_DRIVER]: 4,
  [QUEUE_DRIVER + 4]: 4,
  [QUEUE_DEVICE]: 4,
  [QUEUE_DEVICE + 4]: 4,
};

export interface CommonConfigEvents {
  /** The device half has to look at the phase. */
  phaseChanged(): void;
  /** There is no device half at work; the registers are those of power-on. */
  wasReset(): void;
}

/**
 * The common configuration structure: features, the device's status, and where its queues are. Accesses of another width
 * than a register's read 0 and write nothing.
 */
export class CommonConfig implements RegisterDevice {
  constructor(
    private readonly state: TransportState,
    /** Of the MSI-X table. */
    private readonly vectors: number,
    private readonly events: CommonConfigEvents,
  ) {}

  read(offset: number, size: AccessSize): number {
    return WIDTHS[offset] === size ? this.#read(offset) : 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (WIDTHS[offset] !== size) return;
    if (offset === DEVICE_STATUS) this.#writeStatus(value);
    // Until the device half has let go of the queues, they stay where they are.
    else if (this.state.get(WORDS.phase) !== PHASE_STOPPING) this.#write(offset, value);
  }

  #read(offset: number): number {
    const { state } = this;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        return state.get(WORDS.deviceFeatureSelect);
      case DEVICE_FEATURE:
        return word(state.offered, state.get(WORDS.deviceFeatureSelect));
      case DRIVER_FEATURE_SELECT:
        return state.get(WORDS.driverFeatureSelect);
      case DRIVER_FEATURE: {
        const select = state.get(WORDS.driverFeatureSelect);
        return select > 1 ? 0 : state.get(WORDS.driverFeaturesLow + select);
      }
      case CONFIG_MSIX_VECTOR:
        return state.get(WORDS.configVector);
      case NUM_QUEUES:
        return state.identity.queueSizes.length;
      case DEVICE_STATUS:
        return state.get(WORDS.status);
      case CONFIG_GENERATION:
        return state.get(WORDS.configGeneration) & 0xff;
      case QUEUE_SELECT:
        return state.get(WORDS.queueSelect);
      default:
        return this.#readQueue(offset);
    }
  }

  /** A queue that isn't there has size 0. */
  #readQueue(offset: number): number {
    const queue = this.#selected();
    if (queue === undefined) return 0;
    if (offset === QUEUE_NOTIFY_OFF) return queue;
    return this.state.getQueue(queue, queueWord(offset));
  }

  #write(offset: number, value: number): void {
    const { state } = this;
    switch (offset) {
      case DEVICE_FEATURE_SELECT:
        state.set(WORDS.deviceFeatureSelect, value);
        return;
      case DRIVER_FEATURE_SELECT:
        state.set(WORDS.driverFeatureSelect, value);
        return;
      case DRIVER_FEATURE: {
        const select = state.get(WORDS.driverFeatureSelect);
        if (select <= 1 && !this.#has(FEATURES_OK)) state.set(WORDS.driverFeaturesLow + select, value);
        return;
      }
      case CONFIG_MSIX_VECTOR:
        state.set(WORDS.configVector, this.#vector(value));
        return;
      case QUEUE_SELECT:
        state.set(WORDS.queueSelect, value);
        return;
      default:
        this.#writeQueue(offset, value);
    }
  }

  #writeQueue(offset: number, value: number): void {
    const { state } = this;
    const queue = this.#selected();
    if (queue === undefined) return;
    if (offset === QUEUE_MSIX_VECTOR) {
      state.setQueue(queue, QUEUE_WORDS.vector, this.#vector(value));
      return;
    }
    // An enabled queue stays as it is until the reset (4.1.4.3.2).
    if (state.getQueue(queue, QUEUE_WORDS.enabled) === 1) return;
    if (offset === QUEUE_SIZE) {
      const most = state.identity.queueSizes[queue] as number;
      const possible = value > 0 && value <= most && (value & (value - 1)) === 0;
      if (possible) state.setQueue(queue, QUEUE_WORDS.size, value);
    } else if (offset === QUEUE_ENABLE) {
      if (value === 1 && !this.#has(DRIVER_OK)) state.setQueue(queue, QUEUE_WORDS.enabled, 1);
    } else if (offset >= QUEUE_DESC) {
      state.setQueue(queue, queueWord(offset), value);
    }
  }

  /** A driver only ever adds bits, and takes all back to reset the device (2.1.1). */
  #writeStatus(value: number): void {
    const { state } = this;
    if (state.get(WORDS.phase) === PHASE_STOPPING) return;
    if (value === 0) {
      this.#reset();
      return;
    }
    let status = state.get(WORDS.status) | (value & (ACKNOWLEDGE | DRIVER | FAILED));
    if ((value & FEATURES_OK) !== 0 && this.#acceptsFeatures()) status |= FEATURES_OK;
    const starts = (value & ~status & DRIVER_OK) !== 0 && (status & FEATURES_OK) !== 0;
    state.set(WORDS.status, starts ? status | DRIVER_OK : status);
    if (!starts) return;
    state.set(WORDS.phase, PHASE_STARTING);
    this.events.phaseChanged();
  }

  #reset(): void {
    const { state } = this;
    if (state.get(WORDS.phase) === PHASE_IDLE) {
      state.reset();
      this.events.wasReset();
    } else {
      // The status reads as it was until the device half has answered (4.1.4.3.2).
      state.set(WORDS.phase, PHASE_STOPPING);
      this.events.phaseChanged();
    }
  }

  /** Only what was offered, and not the legacy interface (2.2.2, 6.1). */
  #acceptsFeatures(): boolean {
    const { state } = this;
    const high = BigInt(state.get(WORDS.driverFeaturesHigh));
    const asked = (high << 32n) | BigInt(state.get(WORDS.driverFeaturesLow));
    return asked === state.negotiated && (asked & VIRTIO_F_VERSION_1) !== 0n;
  }

  #has(status: number): boolean {
    return (this.state.get(WORDS.status) & status) !== 0;
  }

  #selected(): number | undefined {
    const queue = this.state.get(WORDS.queueSelect);
    return queue < this.state.identity.queueSizes.length ? queue : undefined;
  }

  #vector(value: number): number {
    return value < this.vectors ? value : VIRTIO_MSI_NO_VECTOR;
  }
}

function word(features: bigint, select: number): number {
  return select > 1 ? 0 : Number((features >> BigInt(32 * select)) & 0xffff_ffffn);
}

function queueWord(offset: number): number {
  if (offset === QUEUE_SIZE) return QUEUE_WORDS.size;
  if (offset === QUEUE_MSIX_VECTOR) return QUEUE_WORDS.vector;
  if (offset === QUEUE_ENABLE) return QUEUE_WORDS.enabled;
  return QUEUE_WORDS.descriptorTable + (offset - QUEUE_DESC) / 4;
}
