import { writeSync } from 'node:fs';
import { openBlockImage } from '../../../../../../engine/vmm/io/block-image';
import { VirtioBlk } from '../../../../../../engine/vmm/virtio/blk/virtio-blk';
import { Virtqueue } from '../../../../../../engine/vmm/virtio/virtqueue';
import { DriverRing, fakeMemory } from '../driver-ring';
import { header, T } from './blk-driver';

/*
 * A machine that is going to be killed: writes generation after generation to the sectors of a disk, flushes, and says
 * which generation was flushed, each in a line of its own.
 */
const [path, sectors] = process.argv.slice(2) as [string, string];
const image = openBlockImage({ path, format: 'raw', readOnly: false, sync: false, sectors: undefined });
const ring = new DriverRing(fakeMemory(0x20_0000), { size: 64, indirect: true });
const device = new VirtioBlk(image, ring.memory, { queues: 1, serial: '' });
device.activate([new Virtqueue(ring.memory, ring.layout, () => undefined)], device.identity.features);

for (let generation = 1; ; generation++) {
  for (let sector = 0; sector < Number(sectors); sector += 8) {
    const bytes = Buffer.alloc(8 * 512, generation & 0xff);
    for (let at = 0; at < bytes.length; at += 512) bytes.writeUInt32LE(generation, at);
    ring.add([header(T.out, sector), bytes], [1], { indirect: true });
  }
  ring.add([header(T.flush, 0)], [1]);
  device.notified(0);
  if (ring.collect().some(({ bytes }) => bytes[0] !== 0)) throw new Error('a request failed');
  writeSync(1, `${generation}\n`);
}
