import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PROBES } from '../../../../../engine/trace/probes';
import { TraceReader } from '../../../../../engine/trace/trace-ring';
import { closeBlockImage } from '../../../../../engine/vmm/io/block-image';
import { until } from '../../../../support/until';
import { range, S, T } from '../virtio/blk/blk-driver';
import { STATUS } from '../virtio/test-machine';
import { DiskMachine, newDiskFile, openDisk } from './disk-machine';

const file = newDiskFile(0x10_0000);
afterAll(() => file.remove());

describe('the I/O thread', () => {
  let disk: DiskMachine;
  beforeEach(() => {
    disk = new DiskMachine(openDisk(file.path));
  });
  afterEach(async () => {
    await disk.close();
    expect(disk.crashes).toEqual([]);
  });

  it('serves a disk', async () => {
    const bytes = randomBytes(4096);
    expect((await disk.ask(T.out, 8, [bytes], [])).bytes).toEqual(Buffer.of(S.ok));
    expect(readFileSync(file.path).subarray(4096, 8192).equals(bytes)).toBe(true);
    const read = await disk.ask(T.in, 8, [], [4096]);
    expect(read.written).toBe(4097);
    expect(Buffer.from(read.bytes.subarray(0, 4096)).equals(bytes)).toBe(true);
    expect((await disk.ask(T.flush, 0, [], [])).bytes).toEqual(Buffer.of(S.ok));
    expect(disk.reports).toEqual([]);
  });

  it('writes down what it does, for whoever traces', async () => {
    await disk.ask(T.out, 8, [Buffer.alloc(1024)], []);
    await disk.ask(T.in, 16, [], [512]);
    await disk.ask(T.discard, 0, [range(8, 8)], []);
    const records: unknown[] = [];
    new TraceReader(disk.trace).drain(({ probe, values }) =>
      records.push([PROBES[probe]?.name, ...values.slice(0, 2)]),
    );
    expect(records).toEqual([
      ['block-pwritev', 4096, 1024],
      ['block-pwritev-done', 4096, 1024],
      ['block-preadv', 8192, 512],
      ['block-preadv-done', 8192, 512],
      ['block-delete', 4096, 4096],
      ['block-delete-done', 4096, 4096],
    ]);
  });

  it('stops a disk whose driver is broken, tells why, and starts it again after a reset', async () => {
    disk.ring.add([Buffer.alloc(3)], [1]);
    disk.machine.kick(0);
    await until('the disk needs a reset', () => (disk.machine.status & STATUS.needsReset) !== 0);
    await until('the fault is reported', () => disk.reports.length > 0);
    expect(disk.reports).toEqual([expect.stringContaining('without header or status')]);
    disk.machine.status = 0;
    await until('the disk is reset', () => disk.machine.status === 0);
    disk.start();
    expect((await disk.ask(T.in, 0, [], [512])).written).toBe(513);
  });

  it('ends with requests under way, and lets the disk go', async () => {
    for (let index = 0; index < 20; index++) disk.ring.add([Buffer.alloc(16)], [0x8000, 1]);
    disk.machine.kick(0);
    await disk.close();
    closeBlockImage(openDisk(file.path));
    disk = new DiskMachine(openDisk(file.path));
  });
});
