import { eventfds } from '../../../native/eventfd';
import { attachAhciState } from '../ahci/ahci-channel';
import { AhciPort } from '../ahci/ahci-port';
import { AtaDisk } from '../ahci/ata-disk';
import { AtapiDrive } from '../ahci/atapi-drive';
import type { Board } from '../board/assemble-board';
import type { BoardPlan } from '../board/board-plan';
import type { GuestMemory } from '../memory/guest-memory';
import { VirtioBlk } from '../virtio/blk/virtio-blk';
import { DeviceHost } from '../virtio/device-host';
import type { IoLoop } from './io-loop';
import type { IoDevicePlan } from './io-messages';

/** What the I/O thread has for its devices. */
export interface IoSurroundings {
  readonly plan: BoardPlan;
  /** This thread's. */
  readonly board: Board;
  readonly memory: GuestMemory;
  readonly loop: IoLoop;
  /** A device was stopped. */
  readonly report: (fault: Error) => void;
}

/** A device at work in the I/O thread. */
export interface IoDevice {
  /** No queue, and nothing of the guest's memory, is touched after this. */
  close(): void;
}

/** Puts a device to work: the loop calls it from now on. */
export function openIoDevice({ slot, device }: IoDevicePlan, surroundings: IoSurroundings): IoDevice {
  const { plan, board, memory, loop, report } = surroundings;
  const place = plan.slots[slot]?.device;
  const pci = board.functions[slot];
  const wires = { messages: board.interrupts, lines: board.intx };
  switch (device.kind) {
    case 'virtio-blk': {
      if (place?.kind !== 'virtio' || pci === undefined) throw new RangeError(`no virtio device in place ${slot}`);
      const host = new DeviceHost(new VirtioBlk(device.image, memory, device), place.channel, {
        ...{ memory, pci, wires, lock: board.lock, report },
      });
      loop.watch(place.channel.controlEventfd, () => host.controlled());
      for (const [queue, eventfd] of place.channel.kickEventfds.entries())
        loop.watch(eventfd, () => host.kicked(queue));
      return { close: () => void host.stop() };
    }
    case 'ahci-hd':
    case 'ahci-cd': {
      if (place?.kind !== 'ahci' || pci === undefined) throw new RangeError(`no AHCI controller in place ${slot}`);
      const { image, serial } = device;
      const drive = device.kind === 'ahci-hd' ? new AtaDisk(image, serial) : new AtapiDrive(image, serial);
      const { eventfd } = place.channel;
      const port = new AhciPort(attachAhciState(place.channel, pci, wires), drive, {
        ...{ memory, lock: board.lock, report, again: () => eventfds.signal(eventfd) },
      });
      loop.watch(eventfd, () => port.notified());
      // Commands are finished within `notified`.
      return { close: () => undefined };
    }
  }
}
