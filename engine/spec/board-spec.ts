/** Where a serial port's bytes come from and go to. Several at once: a terminal, and a ring file that gets a copy. */
export interface SerialSpec {
  /** What a person talks to; undefined: output only goes to the ring, input never comes. */
  readonly terminal:
    | { readonly kind: 'stdio' }
    | { readonly kind: 'autopty'; readonly linkPath: string | undefined }
    | { readonly kind: 'device'; readonly path: string }
    | undefined;
  /** A console ring file of 65,536 bytes (HyperKit's `log=`). */
  readonly ringPath: string | undefined;
  /** Lines of output go to the host's log as well (HyperKit's `asl`). */
  readonly systemLog: boolean;
}

/** The file behind a disk or CD-ROM drive. */
export interface BlockSpec {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly readOnly: boolean;
  /** Every write reaches the medium before it is answered (O_SYNC). */
  readonly sync: boolean;
  /** Bytes, powers of two, 512 ≤ logical ≤ physical; undefined: 512 and what the file system says. */
  readonly sectors: { readonly logical: number; readonly physical: number } | undefined;
}

/** A device on the board's PCI bus. */
export type DeviceSpec =
  | { readonly kind: 'hostbridge'; readonly vendor: 'hyperkit' | 'amd' }
  | { readonly kind: 'lpc' }
  | { readonly kind: 'dummy' }
  | { readonly kind: 'uart' | 'virtio-console'; readonly serial: SerialSpec }
  | { readonly kind: 'virtio-blk' | 'ahci-hd' | 'ahci-cd'; readonly block: BlockSpec }
  | { readonly kind: 'virtio-net'; readonly network: NicSpec }
  | { readonly kind: 'virtio-rnd' }
  /** Memory that the guest does not use goes back to the host. */
  | { readonly kind: 'virtio-balloon' }
  | {
      readonly kind: 'virtio-9p';
      readonly tag: string;
      readonly server: { readonly path: string } | { readonly port: number };
    }
  | {
      readonly kind: 'virtio-sock';
      readonly guestCid: number;
      /** The folder of the host's sockets. */
      readonly path: string;
      readonly guestForwards: readonly number[];
    };

/** A port of the host that leads to a guest. */
export interface HostForward {
  readonly protocol: 'tcp' | 'udp';
  /** IPv4 address of the host. */
  readonly address: string;
  readonly hostPort: number;
  readonly guestPort: number;
}

/** What a NIC is connected to. */
export type NicSpec =
  /** The cable is handed over with the attachments, by the device's place in the list of NICs. */
  | { readonly kind: 'attached'; readonly mac: string; readonly mtu: number }
  /** A gateway of our own inside of this process, in place of HyperKit's vmnet. */
  | { readonly kind: 'gateway'; readonly mac: string | undefined; readonly forwards: readonly HostForward[] }
  | { readonly kind: 'tap'; readonly name: string; readonly mac: string | undefined }
  | {
      readonly kind: 'vpnkit';
      readonly path: string;
      readonly uuid: string | undefined;
      readonly macFile: string | undefined;
      readonly preferredIpv4: string | undefined;
    };

/** What the CPU finds when it is switched on. Paths are files of the host. */
export type FirmwareSpec =
  /** A Linux bzImage, started directly. */
  | {
      readonly kind: 'kexec';
      readonly kernel: string;
      readonly initrd: string | undefined;
      readonly commandLine: string;
    }
  /** A firmware image that ends at 4 GiB; the first instruction is at the reset vector. */
  | { readonly kind: 'bootrom'; readonly image: string }
  | {
      readonly kind: 'multiboot';
      readonly kernel: string;
      readonly modules: ReadonlyArray<{ readonly path: string; readonly commandLine: string }>;
      readonly commandLine: string;
    };

/** A place on the PCI bus. The bus is 0: there is no other. */
export interface SlotSpec {
  /** 0 to 31. */
  readonly slot: number;
  /** 0 to 7. */
  readonly func: number;
  readonly device: DeviceSpec;
}

/** The hardware of one virtual machine, as HyperKit's command line describes it and the native VMM builds it. */
export interface BoardSpec {
  readonly vcpus: number;
  readonly memoryBytes: number;
  /** SMBIOS system UUID, 36 lower-case characters; undefined: made at random. */
  readonly uuid: string | undefined;
  readonly firmware: FirmwareSpec;
  readonly slots: readonly SlotSpec[];
  /** What COM1 is connected to. Both ports are there whenever the board has an `lpc`, connected or not. */
  readonly com1: SerialSpec | undefined;
  readonly com2: SerialSpec | undefined;
  /** ACPI tables are in memory. */
  readonly acpi: boolean;
  /** An MP table is in memory. */
  readonly mpTable: boolean;
  readonly rtc: 'utc' | 'local';
  /** An access to an I/O port without device ends the VM instead of reading all ones. */
  readonly strictIo: boolean;
  /** x2APIC is offered. */
  readonly x2apic: boolean;
  /** Unknown MSRs read as 0 and take any value, instead of a general protection fault. */
  readonly ignoreUnknownMsrs: boolean;
  /** Virtio devices offer MSI-X, or only plain MSI with one vector. */
  readonly virtioInterrupts: 'msi-x' | 'msi';
  /** A console at I/O port 0x220 (bhyve's bvmcons), on this process's stdin and stdout. */
  readonly debugConsole: boolean;
  /** TCP port on which a debugger is waited for, to be connected to I/O port 0x224 (bhyve's bvmdbg). */
  readonly debugPort: number | undefined;
}
