import { eventfds } from '../../../native/eventfd';
import type { PciFunction, PciFunctionWires } from '../pci/pci-function';
import { AhciState, type Signature } from './ahci-state';

/** What the halves of an AHCI controller share: its registers (in vCPU threads) and its drive (in the I/O thread). Plain data. */
export interface AhciChannel {
  /** See {@link AhciState}. */
  readonly shared: SharedArrayBuffer;
  readonly signature: Signature;
  /** Signalled when the driver has issued commands, or has reset the drive. */
  readonly eventfd: number;
}

/** @throws NativeError when there are no descriptors left. */
export function openAhciChannel(signature: Signature): AhciChannel {
  return { shared: new SharedArrayBuffer(AhciState.STATE_BYTES), signature, eventfd: eventfds.create() };
}

/** After both halves have ended. */
export function closeAhciChannel({ eventfd }: AhciChannel): void {
  eventfds.close(eventfd);
}

/** This thread's view of a controller. One thread calls `initialize` on its own before any is used. */
export function attachAhciState(channel: AhciChannel, pci: PciFunction, wires: PciFunctionWires): AhciState {
  return new AhciState(channel.shared, channel.signature, pci, wires);
}
