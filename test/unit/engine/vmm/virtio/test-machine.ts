import { BoardLock } from '../../../../../engine/vmm/bus/board-lock';
import type { KickRegistrar } from '../../../../../engine/vmm/bus/kicks';
import type { AccessSize } from '../../../../../engine/vmm/bus/register-device';
import type { GuestMemory } from '../../../../../engine/vmm/memory/guest-memory';
import { PciFunction } from '../../../../../engine/vmm/pci/pci-function';
import type { VirtioIdentity } from '../../../../../engine/vmm/virtio/device-model';
import { closeVirtioChannel, openVirtioChannel } from '../../../../../engine/vmm/virtio/virtio-channel';
import { VirtioPciRegisters, virtioPciPlan } from '../../../../../engine/vmm/virtio/virtio-pci';
import { DriverRing, type DriverRingOptions, fakeMemory } from './driver-ring';

export const STATUS = { ack: 1, driver: 2, driverOk: 4, featuresOk: 8, needsReset: 0x40, failed: 0x80 } as const;
const VERSION_1 = 1n << 32n;

/** Offsets in the common configuration. */
export const COMMON = {
  deviceFeatureSelect: 0,
  deviceFeature: 4,
  driverFeatureSelect: 8,
  driverFeature: 12,
  configVector: 16,
  numQueues: 18,
  status: 20,
  generation: 21,
  queueSelect: 22,
  queueSize: 24,
  queueVector: 26,
  queueEnable: 28,
  queueNotifyOff: 30,
  queueDesc: 32,
  queueDriver: 40,
  queueDevice: 48,
} as const;

const WIDTHS: Readonly<Record<number, AccessSize>> = { 16: 2, 18: 2, 20: 1, 21: 1, 22: 2, 24: 2, 26: 2, 28: 2, 30: 2 };

export interface TestMachineOptions {
  readonly interrupts?: 'msi-x' | 'msi';
  readonly memory?: GuestMemory;
  readonly kicks?: KickRegistrar;
}

/**
 * One virtio device on a PCI bus without KVM, and a driver of it that uses registers as Linux's does: it finds the
 * structures by the capabilities. Interrupts are written down.
 */
export class TestMachine {
  readonly memory: GuestMemory;
  readonly lock = new BoardLock(new SharedArrayBuffer(BoardLock.BYTES));
  readonly channel;
  readonly pci: PciFunction;
  readonly pciState: SharedArrayBuffer;
  readonly registers: VirtioPciRegisters;
  /** Data of each message that was sent. */
  readonly messages: number[] = [];
  /** Level of INTA#. */
  pin = false;
  readonly wires = {
    messages: { send: (_low: number, _high: number, data: number) => void this.messages.push(data) },
    lines: {
      set: (_gsi: number, level: boolean) => {
        this.pin = level;
      },
    },
  };
  /** What the device half reported. */
  readonly faults: Error[] = [];
  readonly #structures = new Map<number, number>();

  constructor(
    readonly identity: VirtioIdentity,
    { interrupts = 'msi-x', memory = fakeMemory(0x40_0000), kicks }: TestMachineOptions = {},
  ) {
    this.memory = memory;
    this.channel = openVirtioChannel(identity);
    const plan = virtioPciPlan(identity, { slot: 3, func: 0, interrupts });
    this.pciState = new SharedArrayBuffer(PciFunction.stateBytes(plan));
    this.pci = new PciFunction(plan, this.pciState);
    this.pci.connect(this.wires);
    this.registers = new VirtioPciRegisters(this.channel, { pci: this.pci, wires: this.wires, kicks });
    this.pci.reset();
    this.pci.placeBar(0, 0xc000_0000);
    for (let at = this.pci.readConfig(0x34, 1); at !== 0; at = this.pci.readConfig(at + 1, 1)) {
      if (this.pci.readConfig(at, 1) !== 0x09) continue;
      this.#structures.set(this.pci.readConfig(at + 3, 1), this.pci.readConfig(at + 8, 4));
    }
  }

  /** For the device half. */
  get surroundings() {
    const { memory, pci, wires, lock } = this;
    return { memory, pci, wires, lock, report: (fault: Error) => void this.faults.push(fault) };
  }

  close(): void {
    closeVirtioChannel(this.channel);
  }

  read(offset: number): number {
    return this.lock.run(() => this.registers.read(this.#common + offset, WIDTHS[offset] ?? 4));
  }

  write(offset: number, value: number): void {
    this.lock.run(() => this.registers.write(this.#common + offset, WIDTHS[offset] ?? 4, value));
  }

  readIsr(): number {
    return this.lock.run(() => this.registers.read(this.#structures.get(3) as number, 1));
  }

  readDeviceConfig(offset: number, size: AccessSize): number {
    return this.lock.run(() => this.registers.read((this.#structures.get(4) as number) + offset, size));
  }

  writeDeviceConfig(offset: number, size: AccessSize, value: number): void {
    this.lock.run(() => this.registers.write((this.#structures.get(4) as number) + offset, size, value));
  }

  /** As an exit to the vCPU's thread. */
  kick(queue: number): void {
    this.write(COMMON.queueSelect, queue);
    const offset = (this.#structures.get(2) as number) + 4 * this.read(COMMON.queueNotifyOff);
    this.lock.run(() => this.registers.write(offset, 2, queue));
  }

  get offered(): bigint {
    return [0, 1].reduce((features, select) => {
      this.write(COMMON.deviceFeatureSelect, select);
      return features | (BigInt(this.read(COMMON.deviceFeature)) << BigInt(32 * select));
    }, 0n);
  }

  get status(): number {
    return this.read(COMMON.status);
  }

  set status(value: number) {
    this.write(COMMON.status, value);
  }

  writeFeatures(features: bigint): void {
    for (const select of [0, 1]) {
      this.write(COMMON.driverFeatureSelect, select);
      this.write(COMMON.driverFeature, Number((features >> BigInt(32 * select)) & 0xffff_ffffn));
    }
  }

  /** MSI-X on, vector n unmasked with data 0x40 + n. */
  enableMsix(): void {
    const { msix } = this.pci;
    if (msix === undefined) return;
    for (let at = this.pci.readConfig(0x34, 1); at !== 0; at = this.pci.readConfig(at + 1, 1)) {
      if (this.pci.readConfig(at, 1) === 0x11) this.pci.writeConfig(at + 2, 2, 0x8000);
    }
    for (let vector = 0; vector < msix.vectors; vector++) {
      msix.write(16 * vector, 4, 0xfee0_0000);
      msix.write(16 * vector + 8, 4, 0x40 + vector);
      msix.write(16 * vector + 12, 4, 0);
    }
  }

  /** Everything up to FEATURES_OK, which must hold. */
  negotiate(features: bigint): void {
    this.status = 0;
    this.status = STATUS.ack;
    this.status |= STATUS.driver;
    this.writeFeatures(features | VERSION_1);
    this.status |= STATUS.featuresOk;
    if ((this.status & STATUS.featuresOk) === 0) throw new Error('the device refused the features');
  }

  /** Places queue `index` in memory and enables it. Vector n + 1 is queue n's. */
  addQueue(index: number, options: DriverRingOptions = {}): DriverRing {
    this.write(COMMON.queueSelect, index);
    const size = options.size ?? Math.min(64, this.read(COMMON.queueSize));
    const ring = new DriverRing(this.memory, { base: 0x1000 + 0x10_0000 * index, ...options, size });
    this.write(COMMON.queueSize, size);
    this.write(COMMON.queueVector, index + 1);
    this.write(COMMON.queueDesc, ring.layout.descriptorTable);
    this.write(COMMON.queueDriver, ring.layout.availableRing);
    this.write(COMMON.queueDevice, ring.layout.usedRing);
    this.write(COMMON.queueEnable, 1);
    return ring;
  }

  /** Up to DRIVER_OK, with all queues. */
  start(features = 0n, options: DriverRingOptions = {}): DriverRing[] {
    this.negotiate(features);
    this.enableMsix();
    this.write(COMMON.configVector, 0);
    const queues = this.identity.queueSizes.map((_, index) => this.addQueue(index, options));
    this.status |= STATUS.driverOk;
    return queues;
  }

  get #common(): number {
    return this.#structures.get(1) as number;
  }
}
