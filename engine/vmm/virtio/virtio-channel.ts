import { eventfds } from '../../../native/eventfd';
import type { VirtioIdentity } from './device-model';
import { TransportState } from './transport-state';

/** What the halves of a virtio device share: its registers (in vCPU threads) and the device itself. Plain data. */
export interface VirtioChannel {
  readonly identity: VirtioIdentity;
  /** See {@link TransportState}. */
  readonly shared: SharedArrayBuffer;
  /** Signalled when the driver started or reset the device, or wrote to its configuration. */
  readonly controlEventfd: number;
  /** One for each queue: signalled by the driver's kicks. */
  readonly kickEventfds: readonly number[];
}

/** A channel at power-on. @throws NativeError when there are no descriptors left. */
export function openVirtioChannel(identity: VirtioIdentity): VirtioChannel {
  const shared = new SharedArrayBuffer(TransportState.bytes(identity));
  new TransportState(identity, shared).initialize();
  const opened: number[] = [];
  try {
    for (let count = 0; count <= identity.queueSizes.length; count++) opened.push(eventfds.create());
  } catch (error) {
    for (const fd of opened) eventfds.close(fd);
    throw error;
  }
  const [controlEventfd, ...kickEventfds] = opened as [number, ...number[]];
  return { identity, shared, controlEventfd, kickEventfds };
}

/** After both halves have ended. */
export function closeVirtioChannel({ controlEventfd, kickEventfds }: VirtioChannel): void {
  for (const fd of [controlEventfd, ...kickEventfds]) eventfds.close(fd);
}
