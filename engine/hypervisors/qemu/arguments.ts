import type { VmSpec } from '../../spec/vm-spec';
import { IDENTITY_PORT } from '../identity-channel';

/** How QEMU executes guest code, decided. */
export type QemuAccelerator = 'kvm' | 'hvf' | 'tcg';

/** Descriptors that QEMU inherits, each one end of a socket pair: no path, so no limit on its length and nobody else can connect. */
export const QMP_FD = 3;
export const CONSOLE_FD = 4;
export const NIC_FD = 5;
/** Of a guest that can be saved, and of its copies. */
export const IDENTITY_FD = 6;
/** What a copy, or a guest that was suspended, is read from. */
export const SAVED_FD = 7;

/** Name of the guest's network in QEMU. */
export const NETDEV = 'net0';

export interface QemuHost {
  readonly accelerator: QemuAccelerator;
  /** Whether this QEMU was built with seccomp. */
  readonly sandbox: boolean;
  /** MTU of the network that the NIC is given by NIC_FD; undefined: QEMU's own network. */
  readonly nicMtu: number | undefined;
  /** Undefined: the guest boots, and has no identity that could be given to it. */
  readonly warm?: WarmGuest;
  /** It goes on from a saved state, which comes later. */
  readonly incoming?: boolean;
}

/** A guest that will be saved, or a copy of one. */
export interface WarmGuest {
  /** File of the guest's memory; undefined: it has none, the state that it goes on from holds its memory, too. */
  readonly memory: string | undefined;
  /** A template writes to the file; copies change only what they see of it. */
  readonly role: 'template' | 'copy';
  /** UUID, the VM generation ID. */
  readonly generation: string;
}

/**
 * QEMU's command line for a machine, understood by QEMU 6.0 and later.
 * Values inside `key=value,…` options double their commas; disks are given as JSON, which needs no such care.
 */
export function qemuArguments(spec: VmSpec, host: QemuHost): string[] {
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-name', `guest=${escapeValue(spec.name)},debug-threads=on`],
    ...(host.sandbox ? ['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'] : []),
    // q35 boots a little faster than pc under TCG, and its AHCI finds a CD-ROM drive 7 s sooner than virtio-scsi.
    // Without HPET Linux takes the ACPI timer, which costs less to emulate.
    ...['-machine', `q35,hpet=off${host.warm === undefined ? '' : ',memory-backend=memory'}`],
    ...['-accel', host.accelerator === 'tcg' ? 'tcg,thread=multi' : host.accelerator],
    ...['-cpu', cpuModel(host.accelerator)],
    ...['-smp', `cpus=${spec.vcpus},sockets=1,cores=${spec.vcpus},threads=1`],
    ...['-m', `size=${spec.memoryMiB}M`],
    ...['-uuid', spec.uuid],
    // A reset ends QEMU; its SHUTDOWN event tells a reset from a power-off, and the machine process starts it again.
    '-no-reboot',
    ...['-rtc', 'base=utc'],
    ...['-kernel', spec.boot.kernel, '-initrd', spec.boot.initrd, '-append', spec.boot.commandLine],
    ...['-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `socket,id=console,fd=${CONSOLE_FD}`, '-serial', 'chardev:console'],
    ...['-object', 'rng-builtin,id=rng0', '-device', 'virtio-rng-pci,rng=rng0'],
    ...networkArguments(spec, host.nicMtu),
    ...spec.disks.flatMap(({ path, readOnly }, index) => diskArguments(`disk${index}`, path, readOnly)),
    ...spec.cdroms.flatMap((path, index) => cdromArguments(index, path)),
    ...(host.warm === undefined ? [] : warmArguments(spec, host.warm)),
    ...(host.incoming === true ? ['-incoming', 'defer'] : []),
  ];
}

/** Behind all other devices, so that each of those is where it is in a guest that boots. */
function warmArguments(spec: VmSpec, { memory, role, generation }: WarmGuest): string[] {
  const size = `id=memory,size=${spec.memoryMiB}M`;
  const share = role === 'template' ? 'on' : 'off';
  return [
    '-object',
    memory === undefined
      ? `memory-backend-ram,${size}`
      : `memory-backend-file,${size},mem-path=${escapeValue(memory)},share=${share}`,
    ...['-device', `vmgenid,guid=${generation}`],
    ...['-device', 'virtio-serial-pci,max_ports=2', '-chardev', `socket,id=identity,fd=${IDENTITY_FD}`],
    ...['-device', `virtserialport,chardev=identity,name=${IDENTITY_PORT}`],
  ];
}

/** The guest sees the host's CPU where it is one. Five-level page tables only make TCG's page walks longer. */
function cpuModel(accelerator: QemuAccelerator): string {
  return accelerator === 'tcg' ? 'max,la57=off' : 'host';
}

function networkArguments(spec: VmSpec, nicMtu: number | undefined): string[] {
  const { network } = spec;
  const device = `virtio-net-pci,netdev=${NETDEV},mac=${network.macAddress},romfile=`;
  if (nicMtu !== undefined) {
    return ['-netdev', `socket,id=${NETDEV},fd=${NIC_FD}`, '-device', `${device},host_mtu=${nicMtu}`];
  }
  const forwards = network.forwards.map(
    ({ hostPort, guestPort }) => `,hostfwd=tcp:${network.bindAddress}:${hostPort}-:${guestPort}`,
  );
  return [
    ...['-netdev', `user,id=${NETDEV},ipv6=off,hostname=${escapeValue(network.hostname)}${forwards.join('')}`],
    // No option ROM: nothing boots from the network, and firmware would spend time on it.
    ...['-device', device],
  ];
}

/**
 * The host's page cache takes writes; a guest's flush is passed on as fdatasync, so what the guest has synced outlives
 * QEMU and, as far as the host's disk keeps its word, a power cut. What the guest trims is punched out of the file.
 */
function diskArguments(id: string, path: string, readOnly: boolean): string[] {
  const node = {
    'node-name': id,
    driver: 'raw',
    'read-only': readOnly,
    discard: 'unmap',
    cache: { direct: false, 'no-flush': false },
    file: { driver: 'file', filename: path, discard: 'unmap', 'read-only': readOnly },
  };
  return ['-blockdev', JSON.stringify(node), '-device', `virtio-blk-pci,drive=${id},serial=${id},write-cache=on`];
}

/** On the board's own AHCI controller (bus ide.N, one drive each): every guest has that driver, and no guest takes a CD for its data disk. */
function cdromArguments(index: number, path: string): string[] {
  const id = `cd${index}`;
  const node = {
    'node-name': id,
    driver: 'raw',
    'read-only': true,
    file: { driver: 'file', filename: path, 'read-only': true },
  };
  return ['-blockdev', JSON.stringify(node), '-device', `ide-cd,bus=ide.${index},drive=${id}`];
}

/** QEMU splits `key=value,…` at commas; a doubled one stands for itself (QEMU docs/system/invocation). */
export function escapeValue(value: string): string {
  return value.replaceAll(',', ',,');
}
