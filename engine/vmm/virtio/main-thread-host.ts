import type { Reactor } from '../../net/reactor/reactor';
import { DeviceHost, type DeviceSurroundings } from './device-host';
import type { VirtioDevice } from './device-model';
import type { VirtioChannel } from './virtio-channel';

/** A device half at work. */
export interface HostedDevice {
  /** The device's configuration space changed at `offset`: the driver is told. */
  changeConfig(offset: number, bytes: Uint8Array): void;
  /** The machine ends: takes the queues away and closes the device. The channel is the caller's to close, after this. */
  close(): Promise<void>;
}

/**
 * Lets a device work in the thread of the reactor. The watches are edge-triggered, and each kick is an edge, so eventfds
 * need not be read.
 */
export function hostInMainThread(
  device: VirtioDevice,
  channel: VirtioChannel,
  reactor: Reactor,
  surroundings: DeviceSurroundings,
): HostedDevice {
  const host = new DeviceHost(device, channel, surroundings);
  const watches = [
    reactor.watch(channel.controlEventfd, () => host.controlled()),
    ...channel.kickEventfds.map((eventfd, index) => reactor.watch(eventfd, () => host.kicked(index))),
  ];
  return {
    changeConfig: (offset, bytes) => host.changeConfig(offset, bytes),
    close: async () => {
      for (const watch of watches) watch.close();
      await host.stop();
      await device.close();
    },
  };
}
