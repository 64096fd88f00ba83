import { eventfds } from '../../../native/eventfd';
import type { KickRegistrar } from '../bus/kicks';
import type { AccessSize, RegisterDevice } from '../bus/register-device';
import type { PciFunction, PciFunctionWires } from '../pci/pci-function';
import type { PciPlan } from '../pci/pci-plan';
import { COMMON_CONFIG_BYTES, CommonConfig } from './common-config';
import type { VirtioIdentity } from './device-model';
import { TransportState, WORDS } from './transport-state';
import type { VirtioChannel } from './virtio-channel';
import { VirtioInterrupts } from './virtio-interrupts';

const VIRTIO_VENDOR_ID = 0x1af4;
/** Plus the device's type: devices without the legacy interface (virtio 1.2, 4.1.2.1). */
const MODERN_DEVICE_ID = 0x1040;
const MODERN_REVISION = 1;

/** The memory BAR: each structure has a page of its own, so that a hypervisor could map them apart. */
export const REGISTERS_BAR = 0;
const ISR_OFFSET = 0x1000;
const DEVICE_CONFIG_OFFSET = 0x2000;
export const NOTIFY_OFFSET = 0x3000;
const REGISTERS_BYTES = 0x4000;
/** Queue n is kicked at {@link NOTIFY_OFFSET} + n times this. */
export const NOTIFY_MULTIPLIER = 4;
const MSIX_BAR = 1;

/** struct virtio_pci_cap (4.1.4): u8 id, u8 next, u8 length, u8 type, u8 bar, u8 id, 2 unused, u32 offset, u32 length. */
const CAPABILITY_VENDOR = 0x09;
const CAPABILITY_BYTES = 16;
const VIRTIO_PCI_CAP_COMMON_CFG = 1;
const VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
const VIRTIO_PCI_CAP_ISR_CFG = 3;
const VIRTIO_PCI_CAP_DEVICE_CFG = 4;
const VIRTIO_PCI_CAP_PCI_CFG = 5;
/** The driver may write from here on in the capability {@link VIRTIO_PCI_CAP_PCI_CFG}: bar, offset, length, data. */
const WINDOW_START = 4;
const WINDOW_BYTES = 16;

/** How a virtio device shows itself on the PCI bus. */
export function virtioPciPlan(
  identity: VirtioIdentity,
  { slot, func, interrupts }: { readonly slot: number; readonly func: number; readonly interrupts: 'msi-x' | 'msi' },
): PciPlan {
  const queues = identity.queueSizes.length;
  const capabilities = [
    capability(VIRTIO_PCI_CAP_COMMON_CFG, 0, COMMON_CONFIG_BYTES),
    capability(VIRTIO_PCI_CAP_ISR_CFG, ISR_OFFSET, 1),
    capability(VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_OFFSET, NOTIFY_MULTIPLIER * queues, NOTIFY_MULTIPLIER),
    capability(VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0),
  ];
  if (identity.config.length > 0) {
    capabilities.push(capability(VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE_CONFIG_OFFSET, identity.config.length));
  }
  return {
    slot,
    func,
    vendorId: VIRTIO_VENDOR_ID,
    deviceId: MODERN_DEVICE_ID + identity.type,
    subsystemVendorId: VIRTIO_VENDOR_ID,
    subsystemId: identity.type,
    classCode: identity.pciClass,
    revision: MODERN_REVISION,
    bars: [{ index: REGISTERS_BAR, kind: 'memory', bytes: REGISTERS_BYTES }],
    capabilities,
    // One for each queue and one for the configuration.
    msixVectors: interrupts === 'msi-x' ? queues + 1 : 0,
    msixBar: MSIX_BAR,
    msi: interrupts === 'msi',
    interruptPin: true,
  };
}

function capability(type: number, offset: number, length: number, extra?: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(CAPABILITY_BYTES + (extra === undefined ? 0 : 4)));
  bytes.setUint8(0, CAPABILITY_VENDOR);
  bytes.setUint8(2, bytes.byteLength);
  bytes.setUint8(3, type);
  bytes.setUint8(4, REGISTERS_BAR);
  bytes.setUint32(8, offset, true);
  bytes.setUint32(12, length, true);
  if (extra !== undefined) bytes.setUint32(16, extra, true);
  return new Uint8Array(bytes.buffer);
}

/** What the register half of a virtio device needs of one vCPU's thread. */
export interface VirtioPciSurroundings {
  readonly pci: PciFunction;
  readonly wires: PciFunctionWires;
  /** Undefined: each kick is an exit to this thread, which passes it on. */
  readonly kicks: KickRegistrar | undefined;
}

/**
 * The register half of a virtio device: what a vCPU's thread sees at BAR 0, and the window to it in configuration space.
 * It keeps nothing itself; all of it is in the channel.
 */
export class VirtioPciRegisters implements RegisterDevice {
  readonly #state: TransportState;
  readonly #common: CommonConfig;
  readonly #interrupts: VirtioInterrupts;
  readonly #pci: PciFunction;

  constructor(
    private readonly channel: VirtioChannel,
    { pci, wires, kicks }: VirtioPciSurroundings,
  ) {
    this.#state = new TransportState(channel.identity, channel.shared);
    this.#pci = pci;
    this.#interrupts = new VirtioInterrupts(this.#state, pci, wires);
    this.#common = new CommonConfig(this.#state, pci.plan.msixVectors, {
      phaseChanged: () => eventfds.signal(channel.controlEventfd),
      wasReset: () => this.#interrupts.lower(),
    });
    const window = pci.plan.capabilities.findIndex((bytes) => bytes[3] === VIRTIO_PCI_CAP_PCI_CFG);
    const place = pci.capabilityOffsets[window];
    if (place !== undefined) {
      pci.addWindow(place + WINDOW_START, WINDOW_BYTES, {
        read: (offset, size) => this.#readWindow(offset, size),
        write: (offset, size, value) => this.#writeWindow(offset, size, value),
      });
    }
    if (kicks !== undefined) this.#followBar(kicks);
  }

  read(offset: number, size: AccessSize): number {
    if (offset < ISR_OFFSET) return this.#common.read(offset, size);
    if (offset < DEVICE_CONFIG_OFFSET) return offset === ISR_OFFSET ? this.#interrupts.takeIsr() : 0;
    if (offset < NOTIFY_OFFSET) return this.#readConfig(offset - DEVICE_CONFIG_OFFSET, size);
    return 0;
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset < ISR_OFFSET) this.#common.write(offset, size, value);
    else if (offset >= NOTIFY_OFFSET) this.#kick((offset - NOTIFY_OFFSET) / NOTIFY_MULTIPLIER);
    else if (offset >= DEVICE_CONFIG_OFFSET) this.#writeConfig(offset - DEVICE_CONFIG_OFFSET, size, value);
  }

  #kick(queue: number): void {
    const eventfd = this.channel.kickEventfds[queue];
    if (eventfd !== undefined) eventfds.signal(eventfd);
  }

  #readConfig(offset: number, size: AccessSize): number {
    let value = 0;
    for (let at = size - 1; at >= 0; at--) value = value * 0x100 + (this.#state.config[offset + at] ?? 0);
    return value;
  }

  #writeConfig(offset: number, size: AccessSize, value: number): void {
    let written = false;
    for (let at = 0; at < size; at++) {
      const place = offset + at;
      const { writableConfig } = this.channel.identity;
      if (!writableConfig.some((one) => place >= one.offset && place < one.offset + one.length)) continue;
      this.#state.config[place] = value >>> (8 * at);
      written = true;
    }
    if (!written) return;
    this.#state.set(WORDS.configWritten, 1);
    eventfds.signal(this.channel.controlEventfd);
  }

  /** Kicks reach their eventfds inside of the kernel, wherever the guest puts the BAR. */
  #followBar(kicks: KickRegistrar): void {
    this.#pci.onBarChange((index, before, now) => {
      if (index !== REGISTERS_BAR) return;
      for (const [queue, eventfd] of this.channel.kickEventfds.entries()) {
        const offset = NOTIFY_OFFSET + NOTIFY_MULTIPLIER * queue;
        if (before !== undefined) kicks.remove(before + offset, eventfd);
        if (now !== undefined) kicks.assign(now + offset, eventfd);
      }
    });
  }

  /** virtio_pci_cfg_cap without its first word: 0 u8 bar, 4 u32 offset, 8 u32 length, 12 the bytes at that offset. */
  #readWindow(offset: number, size: AccessSize): number {
    if (offset >= 12) {
      const target = this.#windowTarget();
      return target?.device.read(target.offset, target.size) ?? 0;
    }
    const word = this.#state.get([WORDS.windowBar, WORDS.windowOffset, WORDS.windowLength][offset >> 2] as number);
    const shifted = word >>> (8 * (offset & 3));
    return size === 4 ? shifted : shifted & (2 ** (8 * size) - 1);
  }

  #writeWindow(offset: number, size: AccessSize, value: number): void {
    if (offset >= 12) {
      const target = this.#windowTarget();
      target?.device.write(target.offset, target.size, value);
    } else if (offset === 0) {
      this.#state.set(WORDS.windowBar, value & 0xff);
    } else if (size === 4 && offset >= 4) {
      this.#state.set(offset === 4 ? WORDS.windowOffset : WORDS.windowLength, value);
    }
  }

  #windowTarget(): { readonly device: RegisterDevice; readonly offset: number; readonly size: AccessSize } | undefined {
    const bar = this.#state.get(WORDS.windowBar);
    const offset = this.#state.get(WORDS.windowOffset);
    const size = this.#state.get(WORDS.windowLength);
    if ((size !== 1 && size !== 2 && size !== 4) || offset % size !== 0) return undefined;
    const plan = this.#pci.bars.find((one) => one.index === bar);
    if (plan === undefined || offset + size > plan.bytes) return undefined;
    const device = bar === REGISTERS_BAR ? this : this.#pci.msix;
    return device === undefined ? undefined : { device, offset, size };
  }
}
