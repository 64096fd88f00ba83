import type { VirtioDevice, VirtioIdentity } from '../device-model';
import type { Virtqueue } from '../virtqueue';
import { NET_F } from './net-header';
import type { NicBackend } from './nic-backend';

const VIRTIO_ID_NET = 1;
/** PCI code and ID assignment: network controller, Ethernet. */
const PCI_CLASS_ETHERNET = 0x02_00_00;
/** HyperKit's. */
const QUEUE_SIZE = 1024;
const RECEIVE = 0;
const TRANSMIT = 1;
const VIRTIO_NET_S_LINK_UP = 1;

/** A virtio network device with one pair of queues (virtio 1.2, 5.1) in front of a back end, which it owns. */
export class VirtioNet implements VirtioDevice {
  readonly identity: VirtioIdentity;

  constructor(private readonly backend: NicBackend) {
    this.identity = {
      type: VIRTIO_ID_NET,
      pciClass: PCI_CLASS_ETHERNET,
      features: NET_F.MAC | NET_F.MTU | NET_F.MRG_RXBUF | NET_F.STATUS | backend.offloads,
      queueSizes: [QUEUE_SIZE, QUEUE_SIZE],
      config: configuration(backend),
      writableConfig: [],
    };
  }

  activate(queues: ReadonlyArray<Virtqueue | undefined>, features: bigint): void {
    const receive = queues[RECEIVE];
    const transmit = queues[TRANSMIT];
    // A driver that sets up one of the two only has no network.
    if (receive !== undefined && transmit !== undefined) this.backend.start({ receive, transmit, features });
  }

  notified(index: number): void {
    if (index === RECEIVE) this.backend.receiveKicked();
    else this.backend.transmitKicked();
  }

  deactivate(): void {
    this.backend.stop();
  }

  close(): void | Promise<void> {
    this.backend.stop();
    return this.backend.close();
  }
}

/** struct virtio_net_config: 0 mac (6), 6 u16 status, 8 u16 max_virtqueue_pairs, 10 u16 mtu (virtio 1.2, 5.1.4) */
function configuration({ mac, mtu }: NicBackend): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  bytes.set(mac.subarray(0, 6));
  view.setUint16(6, VIRTIO_NET_S_LINK_UP, true);
  view.setUint16(8, 1, true);
  view.setUint16(10, mtu, true);
  return bytes;
}
