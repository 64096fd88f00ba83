/** Which hypervisor runs a machine; `auto` takes the best one whose probe passes. */
export type HypervisorChoice = 'auto' | 'native' | 'qemu';

/** How QEMU executes guest code; `auto` decides by running a guest loop (see native/kvm-probe). */
export type AcceleratorChoice = 'auto' | 'kvm' | 'hvf' | 'tcg';

/** Direct Linux boot: kernel and initrd are files on the host. */
export interface KernelBoot {
  /** bzImage. */
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel arguments, without `initrd=`. */
  readonly commandLine: string;
}

/** A raw image attached as virtio-blk. The file is made by whoever writes the specification, not by the hypervisor. */
export interface DiskSpec {
  readonly path: string;
  readonly readOnly: boolean;
}

/** One TCP port of the guest, reachable from the host on the network's bind address. */
export interface PortForward {
  readonly hostPort: number;
  readonly guestPort: number;
}

/** A port that a guest offers while it runs; its number on the host is the same. */
export interface GuestPort {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** A network without privileges, with one NIC: the guest gets its address by DHCP, the host reaches it through forwards. */
export interface NetworkSpec {
  /** IPv4 address of this host on which forwards listen; the machine's own loopback address on Linux. */
  readonly bindAddress: string;
  readonly forwards: readonly PortForward[];
  /** Six octets, lower-case hex with colons, locally administered. */
  readonly macAddress: string;
  /** Sent to the guest by DHCP. */
  readonly hostname: string;
  /** Ethernet socket of a vpnkit or gvproxy whose network the machine joins; undefined: a network of its own. */
  readonly vpnkitSocket?: string | undefined;
  /** Ports of the host's own loopback that the guest may reach, in a network of its own; none unless given. */
  readonly hostPorts?: 'all' | readonly number[] | undefined;
}

/** How a machine begins that goes on from a warm image instead of booting. Its first disk is a copy of the image's. */
export interface WarmSpec {
  /** Folder of the image. */
  readonly image: string;
  /** Line of the SSH public key of user docker. */
  readonly authorizedKeys: string;
  /** Undefined: its Docker port has an interim pair, which lets nobody in, until somebody brings credentials. */
  readonly docker?: DockerFiles | undefined;
}

/** What a guest's Docker is to be from the beginning: credentials, in PEM files of the host, and what it runs with. */
export interface DockerFiles {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
  /** Content of /var/lib/boot2docker/profile. A guest whose Docker runs otherwise does not become this machine. */
  readonly profile: string;
}

/**
 * Everything that defines one virtual machine, and the only thing a hypervisor back end is given.
 * All front doors (docker-machine flags, minikube's JSON, HyperKit's command line, verbs) end in this type.
 */
export interface VmSpec {
  readonly name: string;
  /** Absolute path of the folder that holds the machine's state files (hyperkit.json, hyperkit.pid, console-ring, …). */
  readonly stateDir: string;
  /** SMBIOS system UUID, 36 lower-case characters. */
  readonly uuid: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly boot: KernelBoot;
  readonly disks: readonly DiskSpec[];
  /** ISO images attached as CD-ROM drives, in order. */
  readonly cdroms: readonly string[];
  readonly network: NetworkSpec;
  readonly hypervisor: HypervisorChoice;
  readonly accelerator: AcceleratorChoice;
  /** Undefined: it boots. It counts for the first start only; after a reset of its guest every machine boots. */
  readonly warm?: WarmSpec | undefined;
  /** It goes on from where it was suspended. As `warm` it counts for the first start only. */
  readonly resume?: true | undefined;
}
