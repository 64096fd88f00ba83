import { randomUUID } from 'node:crypto';
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../errors';
import { formatMac } from '../net/addressing/mac';
import type { BlockSpec, BoardSpec, DeviceSpec, FirmwareSpec, SlotSpec } from '../spec/board-spec';
import { defaultMac } from '../vmm/virtio/net/default-mac';
import { macOfBoard } from './board-mac';

/** HyperKit's name of every machine, which goes into addresses that are made up. */
const VM_NAME = 'vm';

/**
 * The board with everything decided that this host decides: paths absolute, files there, a UUID, a MAC for each card of
 * ours, disks read-only where this user may not write.
 * @throws EngineError HK_BOOT_FAILED, HK_DISK_FAILED for files that are not there.
 */
export function resolveBoard(board: BoardSpec): BoardSpec & { readonly uuid: string } {
  const uuid = board.uuid ?? randomUUID();
  return {
    ...board,
    uuid,
    firmware: resolveFirmware(board.firmware),
    slots: board.slots.map((place) => ({ ...place, device: resolveDevice(place, uuid) })),
  };
}

function resolveFirmware(firmware: FirmwareSpec): FirmwareSpec {
  switch (firmware.kind) {
    case 'kexec': {
      const { kernel, initrd } = firmware;
      return {
        ...firmware,
        kernel: bootFile('kernel', kernel),
        initrd: initrd === undefined ? undefined : bootFile('initrd', initrd),
      };
    }
    case 'bootrom':
      return { ...firmware, image: bootFile('firmware', firmware.image) };
    case 'multiboot': {
      const modules = firmware.modules.map((module) => ({ ...module, path: bootFile('module', module.path) }));
      return { ...firmware, kernel: bootFile('kernel', firmware.kernel), modules };
    }
  }
}

function bootFile(what: string, file: string): string {
  try {
    accessSync(file, constants.R_OK);
    if (!statSync(file).isDirectory()) return path.resolve(file);
  } catch (cause) {
    throw new EngineError('HK_BOOT_FAILED', `cannot open the ${what} ${file}: ${(cause as Error).message}`, { cause });
  }
  throw new EngineError('HK_BOOT_FAILED', `cannot open the ${what} ${file}: it is a folder`);
}

function resolveDevice({ slot, func, device }: SlotSpec, uuid: string): DeviceSpec {
  switch (device.kind) {
    case 'virtio-blk':
    case 'ahci-hd':
    case 'ahci-cd':
      return { ...device, block: resolveBlock(device.block) };
    case 'virtio-net': {
      const { network } = device;
      if (network.kind === 'tap' && network.mac === undefined) {
        return { ...device, network: { ...network, mac: formatMac(defaultMac(slot, func, VM_NAME)) } };
      }
      if (network.kind === 'gateway') {
        return { ...device, network: { ...network, mac: network.mac ?? macOfBoard(uuid, slot, func) } };
      }
      return network.kind === 'vpnkit'
        ? { ...device, network: { ...network, path: path.resolve(network.path), uuid: network.uuid ?? randomUUID() } }
        : device;
    }
    case 'virtio-sock':
      return { ...device, path: path.resolve(device.path) };
    default:
      return device;
  }
}

/** As HyperKit: what can't be opened for writing is opened for reading. */
function resolveBlock(block: BlockSpec): BlockSpec {
  const file = path.resolve(block.path);
  const mayOpen = (mode: number): NodeJS.ErrnoException | undefined => {
    try {
      accessSync(file, mode);
      return undefined;
    } catch (error) {
      return error as NodeJS.ErrnoException;
    }
  };
  const unreadable = mayOpen(constants.R_OK);
  if (unreadable !== undefined) {
    throw new EngineError('HK_DISK_FAILED', `Could not open backing file: ${unreadable.message}`, {
      cause: unreadable,
    });
  }
  return { ...block, path: file, readOnly: block.readOnly || mayOpen(constants.W_OK) !== undefined };
}
