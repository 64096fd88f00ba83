import type { BoardSpec, SlotSpec } from '../../spec/board-spec';
import type { VmSpec } from '../../spec/vm-spec';

const MEBIBYTE = 1024 * 1024;
/** Slot 0 is the host bridge, 31 the bridge to serial ports and clock. */
const FIRST_SLOT = 1;
const LPC_SLOT = 31;

/**
 * The board that runs a machine. The first disk is `vda`, as under every hypervisor; CD-ROMs are drives on AHCI, which
 * no guest takes for its data disk. A guest's flush is passed on as fdatasync, so what it has synced outlives this process.
 */
export function boardOfMachine(spec: VmSpec, nicMtu: number | undefined): BoardSpec {
  const { kernel, initrd, commandLine } = spec.boot;
  const block = (path: string, readOnly: boolean) =>
    ({ path, format: 'raw', readOnly, sync: false, sectors: undefined }) as const;
  const nic = { kind: 'attached', mac: spec.network.macAddress, mtu: nicMtu ?? 1500 } as const;
  const devices: SlotSpec['device'][] = [
    ...(nicMtu === undefined ? [] : [{ kind: 'virtio-net', network: nic } as const]),
    ...spec.disks.map(({ path, readOnly }) => ({ kind: 'virtio-blk', block: block(path, readOnly) }) as const),
    ...spec.cdroms.map((path) => ({ kind: 'ahci-cd', block: block(path, true) }) as const),
    { kind: 'virtio-rnd' },
  ];
  return {
    vcpus: spec.vcpus,
    memoryBytes: spec.memoryMiB * MEBIBYTE,
    uuid: spec.uuid,
    firmware: { kind: 'kexec', kernel, initrd, commandLine },
    slots: [
      { slot: 0, func: 0, device: { kind: 'hostbridge', vendor: 'hyperkit' } },
      ...devices.map((device, index) => ({ slot: FIRST_SLOT + index, func: 0, device })),
      { slot: LPC_SLOT, func: 0, device: { kind: 'lpc' } },
    ],
    com1: undefined,
    com2: undefined,
    acpi: true,
    mpTable: true,
    rtc: 'utc',
    strictIo: false,
    x2apic: true,
    ignoreUnknownMsrs: false,
    virtioInterrupts: 'msi-x',
    debugConsole: false,
    debugPort: undefined,
  };
}
