import { EngineError } from '../../errors';
import { boardSerials } from '../../spec/board-serials';
import type { BlockSpec, BoardSpec, FirmwareSpec, SlotSpec } from '../../spec/board-spec';
import { escapeValue, type QemuAccelerator, QMP_FD } from './arguments';

/** What a NIC of the board is connected to, in the order of the board's slots. */
export type BoardNic =
  /** A stream socket that QEMU inherits. */
  | { readonly kind: 'descriptor'; readonly mac: string; readonly mtu: number }
  | { readonly kind: 'tap'; readonly name: string; readonly mac: string }
  /** QEMU's own network, where ours does not run. */
  | { readonly kind: 'user'; readonly mac: string; readonly forwards: readonly string[] };

export interface QemuBoardHost {
  readonly accelerator: QemuAccelerator;
  /** Whether this QEMU was built with seccomp. */
  readonly sandbox: boolean;
  readonly nics: readonly BoardNic[];
}

interface Cursor {
  /** The descriptor that is inherited next. */
  nextFd: number;
  nextNic: number;
}

/** Parts of QEMU's board that can't be moved: the host bridge, the LPC bridge, SATA and SMBus. */
const OWN_PLACES = new Set(['0:0', '31:0', '31:2', '31:3']);

/**
 * QEMU's command line for HyperKit's board, as near as QEMU's q35 comes to it: devices are in the same slots, the serial
 * ports and the firmware's entry are the same, the chipset around them is QEMU's. Understood by QEMU 6.0 and later.
 * Descriptors: 3 is QMP, then one per connected serial port, then one per NIC that has one.
 * @throws EngineError HK_DEVICE_FAILED for what QEMU can't do.
 */
export function boardArguments(board: BoardSpec, host: QemuBoardHost): string[] {
  refuseImpossible(board);
  const cursor: Cursor = { nextFd: QMP_FD + 1, nextNic: 0 };
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-name', 'guest=hyperkit,debug-threads=on'],
    ...(host.sandbox ? ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'] : []),
    ...['-machine', `q35,hpet=off,acpi=${board.acpi ? 'on' : 'off'}`],
    ...['-accel', host.accelerator === 'tcg' ? 'tcg,thread=multi' : host.accelerator],
    ...['-cpu', host.accelerator === 'tcg' ? 'max,la57=off' : 'host'],
    ...['-smp', `cpus=${board.vcpus},sockets=${board.vcpus},cores=1,threads=1`],
    ...['-m', `size=${board.memoryBytes}B`],
    ...(board.uuid === undefined ? [] : ['-uuid', board.uuid]),
    // A reset ends QEMU, as it ends HyperKit.
    '-no-reboot',
    ...['-rtc', `base=${board.rtc === 'utc' ? 'utc' : 'localtime'}`],
    ...firmwareArguments(board.firmware),
    ...['-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
    ...serialArguments(board, cursor),
    ...board.slots.flatMap((place) => deviceArguments(place, board, host, cursor)),
  ];
}

/** @throws EngineError HK_DEVICE_FAILED for what only the native engine has. */
export function refuseImpossible(board: BoardSpec): void {
  if (board.debugConsole) throw impossible('the debug console (-b)');
  if (board.debugPort !== undefined) throw impossible('the debug port (-g)');
  for (const { slot, func, device } of board.slots) {
    const { kind } = device;
    if (kind === 'virtio-9p' || kind === 'virtio-sock') {
      throw impossible(`${kind} (slot ${slot}:${func})`);
    }
    const isChipset = kind === 'hostbridge' || kind === 'lpc' || kind === 'dummy';
    if (!isChipset && OWN_PLACES.has(`${slot}:${func}`)) {
      const text = `cannot put ${kind} into slot ${slot}:${func} under QEMU: its chipset is there; take another slot`;
      throw new EngineError('HK_DEVICE_FAILED', text);
    }
  }
}

function firmwareArguments(firmware: FirmwareSpec): string[] {
  switch (firmware.kind) {
    case 'kexec': {
      const { kernel, initrd, commandLine } = firmware;
      return ['-kernel', kernel, ...(initrd === undefined ? [] : ['-initrd', initrd]), '-append', commandLine];
    }
    case 'bootrom':
      return ['-bios', firmware.image];
    case 'multiboot': {
      const { kernel, modules, commandLine } = firmware;
      const list = modules.map(({ path, commandLine: words }) => escapeValue(`${path} ${words}`.trim())).join(',');
      return ['-kernel', kernel, ...(list === '' ? [] : ['-initrd', list]), '-append', commandLine];
    }
  }
}

function serialArguments(board: BoardSpec, cursor: Cursor): string[] {
  return boardSerials(board).flatMap(({ name, place }) => {
    const backend = ['-chardev', `socket,id=${serialId(name)},fd=${cursor.nextFd++}`];
    if (place !== 'com1' && place !== 'com2') return backend;
    return [...backend, '-device', `isa-serial,index=${place === 'com1' ? 0 : 1},chardev=${serialId(name)}`];
  });
}

function serialId(name: string): string {
  return name.toLowerCase().replace(':', '-');
}

function deviceArguments(place: SlotSpec, board: BoardSpec, host: QemuBoardHost, cursor: Cursor): string[] {
  const { slot, func, device } = place;
  const where = `${slot}:${func}`;
  const first = func === 0 && board.slots.some((other) => other.slot === slot && other.func !== 0);
  const address = `addr=0x${slot.toString(16)}.0x${func}${first ? ',multifunction=on' : ''}`;
  const virtio = `${address}${board.virtioInterrupts === 'msi' ? ',vectors=0' : ''}`;
  const id = `s${slot}f${func}`;
  switch (device.kind) {
    case 'hostbridge':
    case 'lpc':
    case 'dummy':
    case 'virtio-9p':
    case 'virtio-sock':
      return [];
    case 'uart':
      return ['-device', `pci-serial,${address},chardev=${serialId(`uart-${where}`)}`];
    case 'virtio-console': {
      const port = `virtconsole,bus=${id}.0,chardev=${serialId(`hvc-${where}`)}`;
      return ['-device', `virtio-serial-pci,id=${id},${virtio}`, '-device', port];
    }
    case 'virtio-balloon':
      return ['-device', `virtio-balloon-pci,${virtio},free-page-reporting=on`];
    case 'virtio-blk':
      return [
        ...blockNode(id, device.block),
        ...['-device', `virtio-blk-pci,${virtio},drive=${id}${diskProperties(device.block)}`],
      ];
    case 'ahci-hd':
    case 'ahci-cd': {
      const isDisk = device.kind === 'ahci-hd';
      const drive = isDisk ? `ide-hd,drive=${id}${diskProperties(device.block)}` : `ide-cd,drive=${id}`;
      return [
        ...blockNode(id, device.block),
        ...['-device', `ich9-ahci,id=ahci-${id},${address}`, '-device', `${drive},bus=ahci-${id}.0`],
      ];
    }
    case 'virtio-rnd':
      return ['-object', `rng-builtin,id=rng-${id}`, '-device', `virtio-rng-pci,${virtio},rng=rng-${id}`];
    case 'virtio-net': {
      const nic = host.nics[cursor.nextNic++];
      if (nic === undefined) throw new Error(`the NIC in slot ${where} is connected to nothing`);
      return nicArguments(id, nic, virtio, cursor);
    }
  }
}

function nicArguments(id: string, nic: BoardNic, virtio: string, cursor: Cursor): string[] {
  // No option ROM: nothing boots from the network, and firmware would spend time on it.
  const device = `virtio-net-pci,${virtio},netdev=net-${id},mac=${nic.mac},romfile=`;
  switch (nic.kind) {
    case 'descriptor': {
      const netdev = `socket,id=net-${id},fd=${cursor.nextFd++}`;
      return ['-netdev', netdev, '-device', `${device},host_mtu=${nic.mtu}`];
    }
    case 'tap':
      return ['-netdev', `tap,id=net-${id},ifname=${nic.name},script=no,downscript=no`, '-device', device];
    case 'user':
      return [
        ...['-netdev', `user,id=net-${id},ipv6=off${nic.forwards.map((rule) => `,hostfwd=${rule}`).join('')}`],
        ...['-device', device],
      ];
  }
}

/** The host's page cache takes writes, a guest's flush is passed on, what it trims is punched out of the file. */
function blockNode(id: string, { path, format, readOnly }: BlockSpec): string[] {
  const node = {
    'node-name': id,
    driver: format,
    'read-only': readOnly,
    discard: 'unmap',
    cache: { direct: false, 'no-flush': false },
    file: { driver: 'file', filename: path, discard: 'unmap', 'read-only': readOnly },
  };
  return ['-blockdev', JSON.stringify(node)];
}

function diskProperties({ sync, sectors }: BlockSpec): string {
  const sizes =
    sectors === undefined ? '' : `,logical_block_size=${sectors.logical},physical_block_size=${sectors.physical}`;
  return `,write-cache=${sync ? 'off' : 'on'}${sizes}`;
}

function impossible(what: string): EngineError {
  return new EngineError(
    'HK_DEVICE_FAILED',
    `cannot offer ${what} under QEMU: it is a part of the native engine, which needs KVM (HYPERKIT_ENGINE=native); without KVM leave it out`,
  );
}
