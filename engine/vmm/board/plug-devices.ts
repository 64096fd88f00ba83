import { createHash } from 'node:crypto';
import { libc } from '../../../native/libc';
import { EngineError } from '../../errors';
import type { Reactor } from '../../net/reactor/reactor';
import type { BlockSpec, BoardSpec, SlotSpec } from '../../spec/board-spec';
import { closeAhciChannel, openAhciChannel } from '../ahci/ahci-channel';
import { ahciPlan } from '../ahci/ahci-layout';
import { DISK_SIGNATURE } from '../ahci/ata-disk';
import { CD_SIGNATURE } from '../ahci/atapi-drive';
import { closeBlockImage, openBlockImage } from '../io/block-image';
import type { IoDevicePlan } from '../io/io-messages';
import { dummyPlan, hostBridgePlan, lpcBridgePlan, serialCardPlan } from '../pci/known-functions';
import { PciFunction } from '../pci/pci-function';
import type { PciPlan } from '../pci/pci-plan';
import { ByteRing } from '../platform/byte-ring';
import { Uart16550 } from '../platform/uart-16550';
import { VirtioBalloon } from '../virtio/balloon/virtio-balloon';
import { blkIdentity } from '../virtio/blk/blk-identity';
import { VirtioConsole } from '../virtio/console/virtio-console';
import type { VirtioDevice, VirtioIdentity } from '../virtio/device-model';
import { type HostedDevice, hostInMainThread } from '../virtio/main-thread-host';
import type { NicBackend } from '../virtio/net/nic-backend';
import { VirtioNet } from '../virtio/net/virtio-net';
import { createP9 } from '../virtio/p9/virtio-p9';
import { VirtioRng } from '../virtio/rng/virtio-rng';
import { closeVirtioChannel, openVirtioChannel, type VirtioChannel } from '../virtio/virtio-channel';
import { virtioPciPlan } from '../virtio/virtio-pci';
import { openVsock } from '../virtio/vsock/virtio-vsock';
import type { PciSlotPlan, SerialPlan } from './board-plan';
import type { HostSurroundings } from './host-surroundings';

type VirtioPlace = Parameters<typeof virtioPciPlan>[1];

/** One thread serves them all: more would only cost the guest memory. */
const MAX_BLK_QUEUES = 4;

/** Bytes of a serial line's output that may wait for the main thread. */
const SERIAL_RING_BYTES = 65_536;

/** A device in its slot: what all threads know of it, and what works for it. */
export interface PluggedDevice {
  readonly slot: PciSlotPlan;
  /** What works in the I/O thread. */
  readonly io: IoDevicePlan['device'] | undefined;
  /** A console, to be connected. */
  readonly hvc?: VirtioConsole;
  /** Puts to work what works in the main thread, once; `pci` is this thread's function of the slot. */
  host(pci: PciFunction, surroundings: HostSurroundings): void;
  /** Ends its work and gives back all it owns. vCPUs and the I/O thread have ended before. */
  close(): void | Promise<void>;
}

/**
 * Makes every device of a specification, in the order of its slots.
 * @param nics those that are plugged in are taken out of the list: they belong to their device then.
 * @throws EngineError HK_SPEC_INVALID, HK_DEVICE_FAILED; no device is left then.
 */
export async function plugDevices(
  spec: BoardSpec,
  nics: NicBackend[],
  reactor: Reactor,
): Promise<readonly PluggedDevice[]> {
  const plugged: PluggedDevice[] = [];
  try {
    for (const slot of spec.slots) plugged.push(await plugDevice(slot, spec, nics, reactor));
    if (nics.length > 0) throw mismatch('more NICs are attached than the board has');
    return plugged;
  } catch (error) {
    for (const device of plugged) await device.close();
    throw error;
  }
}

function mismatch(why: string): EngineError {
  return new EngineError('HK_SPEC_INVALID', `cannot build the virtual machine: ${why}`);
}

async function plugDevice(
  { slot, func, device }: SlotSpec,
  spec: BoardSpec,
  nics: NicBackend[],
  reactor: Reactor,
): Promise<PluggedDevice> {
  const place = { slot, func, interrupts: spec.virtioInterrupts };
  switch (device.kind) {
    case 'hostbridge':
      return plain(hostBridgePlan(slot, func, device.vendor), { kind: 'bare' });
    case 'lpc':
      return plain(lpcBridgePlan(slot, func), { kind: 'lpc' });
    case 'dummy':
      return plain(dummyPlan(slot, func), { kind: 'bare' });
    case 'uart':
      return plain(serialCardPlan(slot, func), { kind: 'serial', serial: planSerial() });
    case 'virtio-net': {
      const backend = nics.shift();
      if (backend === undefined) throw mismatch('it has more NICs than are attached');
      return virtio(new VirtioNet(backend), place);
    }
    case 'virtio-console': {
      const hvc = new VirtioConsole();
      return { ...virtio(hvc, place), hvc };
    }
    case 'virtio-rnd':
      return virtio(new VirtioRng(reactor), place);
    case 'virtio-balloon':
      return virtio(new VirtioBalloon(libc.discardPages), place);
    case 'virtio-9p':
      return virtio(createP9(reactor, device), place);
    case 'virtio-sock': {
      const { guestCid, path: folder, guestForwards } = device;
      return virtio(await openVsock(reactor, { guestCid, folder, guestForwards }), place);
    }
    case 'virtio-blk':
      return virtioBlk(device.block, place, spec.vcpus);
    case 'ahci-hd':
    case 'ahci-cd':
      return ahci(device.kind, device.block, { slot, func });
  }
}

/** A serial port at power-on. */
export function planSerial(): SerialPlan {
  return {
    state: new SharedArrayBuffer(Uart16550.STATE_BYTES),
    output: new SharedArrayBuffer(ByteRing.stateBytes(SERIAL_RING_BYTES)),
  };
}

function plain(pci: PciPlan, device: PciSlotPlan['device']): PluggedDevice {
  const state = new SharedArrayBuffer(PciFunction.stateBytes(pci));
  return { slot: { pci, state, device }, io: undefined, host: () => undefined, close: () => undefined };
}

/** A virtio device that works in the main thread. */
function virtio(device: VirtioDevice, place: VirtioPlace): PluggedDevice {
  const { slot, channel } = virtioSlot(device.identity, place);
  let hosted: HostedDevice | undefined;
  return {
    slot,
    io: undefined,
    host: (pci, { reactor, ...surroundings }) => {
      hosted = hostInMainThread(device, channel, reactor, { ...surroundings, pci });
    },
    close: async () => {
      await (hosted ?? device).close();
      closeVirtioChannel(channel);
    },
  };
}

/** A disk: it works in the I/O thread, with a queue for each vCPU. */
function virtioBlk(spec: BlockSpec, place: VirtioPlace, vcpus: number): PluggedDevice {
  const image = openBlockImage(spec);
  const queues = Math.min(vcpus, MAX_BLK_QUEUES);
  const { slot, channel } = virtioSlot(blkIdentity(image, queues), place);
  return {
    slot,
    io: { kind: 'virtio-blk', image, queues, serial: serialNumber(image.path) },
    host: () => undefined,
    close: () => {
      closeVirtioChannel(channel);
      closeBlockImage(image);
    },
  };
}

/** A SATA controller with one drive, which works in the I/O thread. */
function ahci(
  kind: 'ahci-hd' | 'ahci-cd',
  spec: BlockSpec,
  { slot, func }: Pick<SlotSpec, 'slot' | 'func'>,
): PluggedDevice {
  const image = openBlockImage(kind === 'ahci-cd' ? { ...spec, readOnly: true } : spec);
  const channel = openAhciChannel(kind === 'ahci-cd' ? CD_SIGNATURE : DISK_SIGNATURE);
  const pci = ahciPlan(slot, func);
  const state = new SharedArrayBuffer(PciFunction.stateBytes(pci));
  return {
    slot: { pci, state, device: { kind: 'ahci', channel } },
    io: { kind, image, serial: serialNumber(image.path) },
    host: () => undefined,
    close: () => {
      closeAhciChannel(channel);
      closeBlockImage(image);
    },
  };
}

function virtioSlot(identity: VirtioIdentity, place: VirtioPlace): { slot: PciSlotPlan; channel: VirtioChannel } {
  const channel = openVirtioChannel(identity);
  const pci = virtioPciPlan(identity, place);
  const state = new SharedArrayBuffer(PciFunction.stateBytes(pci));
  return { slot: { pci, state, device: { kind: 'virtio', channel } }, channel };
}

/** A disk keeps its serial number when its machine starts again; the guest learns nothing of the host by it. */
function serialNumber(path: string): string {
  return `HK-${createHash('sha256').update(path).digest('hex').slice(0, 17)}`;
}
