import { randomBytes } from 'node:crypto';
import { statSync, truncateSync } from 'node:fs';
import fc from 'fast-check';
import { EngineError } from '../../../../../../engine/errors';
import { blockIo } from '../../../../../../native/block-io';
import { INDIRECT, NEXT, WRITE, writeDescriptor } from '../driver-ring';
import { BlkDriver, type BlkDriverOptions, FEATURE, header, range, S, T } from './blk-driver';

const opened: BlkDriver[] = [];
function newDriver(options: BlkDriverOptions = {}): BlkDriver {
  const driver = new BlkDriver(options);
  opened.push(driver);
  return driver;
}
afterEach(() => {
  jest.restoreAllMocks();
  for (const driver of opened.splice(0)) driver.close();
});

describe('reading and writing', () => {
  it('moves sectors between the file and any buffers', () => {
    const driver = newDriver();
    const read = driver.ask(T.in, 3, { into: [512, 1024, 100, 412] });
    expect(read).toEqual({ status: S.ok, written: 2049, data: driver.content.subarray(3 * 512, 7 * 512) });
    const bytes = randomBytes(1024);
    const out = [bytes.subarray(0, 1), bytes.subarray(1, 700), bytes.subarray(700)];
    expect(driver.ask(T.out, 9, { out })).toEqual({ status: S.ok, written: 1, data: Buffer.of() });
    expect(driver.onDisk(9 * 512, 1024).equals(bytes)).toBe(true);
    expect(driver.onDisk(0, 9 * 512).equals(driver.content.subarray(0, 9 * 512))).toBe(true);
  });

  it('understands any borders between header, data and status', () => {
    const driver = newDriver();
    const bytes = randomBytes(512);
    const message = Buffer.concat([header(T.out, 1), bytes]);
    driver.ring.add([message.subarray(0, 5), message.subarray(5, 20), message.subarray(20)], [1]);
    driver.ring.add([header(T.in, 1)], [513]);
    const [written, read] = [...driver.serve().values()];
    expect(written!.status).toBe(S.ok);
    expect(read).toEqual({ status: S.ok, written: 513, data: bytes });
  });

  type Buffers = { readonly out?: readonly Uint8Array[]; readonly into?: readonly number[] };
  it.each<[string, number, number, Buffers]>([
    ['a read that ends behind the disk', T.in, 2047, { into: [1024] }],
    ['a read behind the disk', T.in, 2 ** 40, { into: [512] }],
    ['a read of sector 2^64 - 1', T.in, -1, { into: [512] }],
    ['a read of half a sector', T.in, 0, { into: [256] }],
    ['a write that ends behind the disk', T.out, 2048, { out: [Buffer.alloc(512)] }],
    ['a write of half a sector', T.out, 0, { out: [Buffer.alloc(700)] }],
  ])('refuses %s', (_name, type, sector, buffers) => {
    const driver = newDriver();
    driver.ring.add(
      [sector < 0 ? header(type, 0).fill(0xff, 8) : header(type, sector), ...(buffers.out ?? [])],
      [...(buffers.into ?? []), 1],
    );
    expect([...driver.serve().values()][0]!.status).toBe(S.ioError);
    expect(driver.onDisk().equals(driver.content)).toBe(true);
  });

  it('says that it does not know a request', () => {
    const driver = newDriver();
    for (const type of [2, 5, 12, 14, 0xffff_ffff]) expect(driver.ask(type, 0).status).toBe(S.unsupported);
  });

  it('takes a chain without header or status as a fault of the driver', () => {
    const driver = newDriver();
    driver.ring.add([header(T.in, 0).subarray(1)], [1]);
    expect(() => driver.serve()).toThrow(EngineError);
    const other = newDriver();
    other.ring.add([header(T.out, 0)], []);
    expect(() => other.serve()).toThrow(/without header or status/);
  });

  it('reads an image that became shorter as an error, and goes on', () => {
    const driver = newDriver();
    truncateSync(driver.file, 4096);
    expect(driver.ask(T.in, 4, { into: [4096] }).status).toBe(S.ioError);
    expect(driver.ask(T.in, 4, { into: [512] }).status).toBe(S.ok);
  });

  it('goes on after short reads, short writes and interrupted calls', () => {
    const driver = newDriver();
    let calls = 0;
    // Fewer buffers than there are, or a call that is interrupted.
    const shorten =
      (whole: typeof blockIo.readVectors): typeof whole =>
      (fd, vectors, count, offset) =>
        ++calls % 3 === 0 ? -4 : whole(fd, vectors, Math.min(count, 2), offset);
    const { readVectors, writeVectors } = blockIo;
    jest.spyOn(blockIo, 'readVectors').mockImplementation(shorten(readVectors));
    jest.spyOn(blockIo, 'writeVectors').mockImplementation(shorten(writeVectors));
    const bytes = randomBytes(8192);
    const out = [0, 100, 5000, 5001, 8000].map((from, index, all) => bytes.subarray(from, all[index + 1]));
    expect(driver.ask(T.out, 1, { out }).status).toBe(S.ok);
    expect(driver.ask(T.in, 1, { into: [3000, 1, 1, 5000, 190] }).data).toEqual(bytes);
    expect(calls).toBeGreaterThan(7);
  });

  it('answers what the host refuses with an error, and goes on', () => {
    const driver = newDriver();
    const full = jest.spyOn(blockIo, 'writeVectors').mockReturnValue(-28);
    expect(driver.ask(T.out, 0, { out: [Buffer.alloc(512)] }).status).toBe(S.ioError);
    full.mockRestore();
    expect(driver.ask(T.out, 0, { out: [Buffer.alloc(512)] }).status).toBe(S.ok);
  });
});

describe('neighbours', () => {
  it('are one system call, in their order', () => {
    const driver = newDriver();
    const calls = jest.spyOn(blockIo, 'readVectors');
    const heads = [0, 8, 16, 40].map((sector) => driver.add(T.in, sector, { into: [4096] }).head);
    const answers = driver.serve();
    expect(calls).toHaveBeenCalledTimes(2);
    for (const [index, sector] of [0, 8, 16, 40].entries()) {
      const data = driver.content.subarray(sector * 512, sector * 512 + 4096);
      expect(answers.get(heads[index]!)).toEqual({ status: S.ok, written: 4097, data });
    }
  });

  it('fail only if they fail by themselves', () => {
    const driver = newDriver();
    const heads = [0, 1, 2].map((sector) => driver.add(T.out, sector, { out: [Buffer.alloc(512, sector)] }).head);
    const { writeVectors } = blockIo;
    jest.spyOn(blockIo, 'writeVectors').mockImplementation((fd, vectors, count, offset) => {
      return count > 1 || offset === 512 ? -5 : writeVectors(fd, vectors, count, offset);
    });
    const answers = driver.serve();
    expect(heads.map((head) => answers.get(head)!.status)).toEqual([S.ok, S.ioError, S.ok]);
  });

  it('see what was written before them', () => {
    const driver = newDriver();
    driver.add(T.out, 5, { out: [Buffer.alloc(512, 1)] });
    const read = driver.add(T.in, 5, { into: [512] });
    driver.add(T.out, 5, { out: [Buffer.alloc(512, 2)] });
    driver.add(T.out, 6, { out: [Buffer.alloc(512, 3)] });
    const last = driver.add(T.in, 5, { into: [1024] });
    const answers = driver.serve();
    expect(answers.get(read.head)!.data).toEqual(Buffer.alloc(512, 1));
    expect(answers.get(last.head)!.data).toEqual(Buffer.concat([Buffer.alloc(512, 2), Buffer.alloc(512, 3)]));
  });
});

describe('durability', () => {
  it('comes with each flush, after the writes before it', () => {
    const driver = newDriver();
    const log: string[] = [];
    const { writeVectors, flush } = blockIo;
    jest.spyOn(blockIo, 'writeVectors').mockImplementation((...call) => {
      log.push('write');
      return writeVectors(...call);
    });
    jest.spyOn(blockIo, 'flush').mockImplementation((fd) => {
      log.push('flush');
      return flush(fd);
    });
    driver.add(T.out, 0, { out: [Buffer.alloc(512)] });
    driver.add(T.flush, 0);
    driver.add(T.out, 0, { out: [Buffer.alloc(512)] });
    expect([...driver.serve().values()].map(({ status }) => status)).toEqual([S.ok, S.ok, S.ok]);
    expect(log).toEqual(['write', 'flush', 'write']);
  });

  it('comes with each write for drivers that cannot flush', () => {
    const driver = newDriver({ features: 0n });
    const flush = jest.spyOn(blockIo, 'flush');
    driver.ask(T.out, 0, { out: [Buffer.alloc(512)] });
    expect(flush).toHaveBeenCalledTimes(1);
    driver.ask(T.in, 0, { into: [512] });
    expect(flush).toHaveBeenCalledTimes(1);
  });

  it('comes with each write when the driver turns the write cache off', () => {
    const driver = newDriver({ features: FEATURE.flush | FEATURE.configWce });
    const flush = jest.spyOn(blockIo, 'flush');
    const config = Uint8Array.from(driver.device.identity.config);
    config[32] = 0;
    driver.device.configWritten(config);
    expect(flush).toHaveBeenCalledTimes(1);
    driver.ask(T.out, 0, { out: [Buffer.alloc(512)] });
    expect(flush).toHaveBeenCalledTimes(2);
    config[32] = 1;
    driver.device.configWritten(config);
    driver.ask(T.out, 0, { out: [Buffer.alloc(512)] });
    expect(flush).toHaveBeenCalledTimes(2);
  });

  it("is the file's own when it is synchronous", () => {
    const driver = newDriver({ sync: true, features: 0n });
    expect(driver.device.identity.features & (FEATURE.flush | FEATURE.configWce)).toBe(0n);
    const flush = jest.spyOn(blockIo, 'flush');
    expect(driver.ask(T.out, 0, { out: [Buffer.alloc(512)] }).status).toBe(S.ok);
    expect(flush).not.toHaveBeenCalled();
  });

  it('that the host cannot give is an error of the flush', () => {
    const driver = newDriver();
    jest.spyOn(blockIo, 'flush').mockReturnValue(-5);
    expect(driver.ask(T.flush, 0).status).toBe(S.ioError);
  });
});

describe('discarding and zeroing', () => {
  it('gives the space back to the host', () => {
    const driver = newDriver();
    const before = statSync(driver.file).blocks;
    expect(driver.ask(T.discard, 0, { out: [range(0, 1024), range(1024, 512)] }).status).toBe(S.ok);
    expect(statSync(driver.file).blocks).toBeLessThanOrEqual(before - 1024);
    expect(driver.onDisk(0, 1536 * 512).equals(Buffer.alloc(1536 * 512))).toBe(true);
    expect(driver.onDisk(1536 * 512, 512).equals(driver.content.subarray(1536 * 512, 1537 * 512))).toBe(true);
    expect(statSync(driver.file).size).toBe(driver.content.length);
  });

  it.each([
    ['with unmap', 1],
    ['without', 0],
  ])('writes zeroes %s', (_name, flags) => {
    const driver = newDriver();
    expect(driver.ask(T.writeZeroes, 0, { out: [range(3, 100, flags)] }).status).toBe(S.ok);
    const expected = Buffer.from(driver.content).fill(0, 3 * 512, 103 * 512);
    expect(driver.onDisk().equals(expected)).toBe(true);
  });

  it('writes zeroes by hand where the file system has no other way', () => {
    const driver = newDriver();
    const { allocate } = blockIo;
    jest.spyOn(blockIo, 'allocate').mockImplementation((fd, mode, ...where) => {
      return (mode & 0x10) !== 0 ? -95 : allocate(fd, mode, ...where);
    });
    expect(driver.ask(T.writeZeroes, 0, { out: [range(3, 1500)] }).status).toBe(S.ok);
    expect(driver.onDisk().equals(Buffer.from(driver.content).fill(0, 3 * 512, 1503 * 512))).toBe(true);
  });

  it.each([
    ['a range behind the disk', T.discard, [range(2000, 49)], S.ioError],
    ['a second range behind the disk', T.writeZeroes, [range(0, 1), range(2 ** 50, 1)], S.ioError],
    ['no range', T.discard, [], S.ioError],
    ['half a range', T.discard, [range(0, 1).subarray(0, 8)], S.ioError],
    ['65 ranges', T.discard, new Array(65).fill(range(0, 1)), S.ioError],
    ['a discard with flags', T.discard, [range(0, 1, 1)], S.unsupported],
    ['unknown flags', T.writeZeroes, [range(0, 1, 2)], S.unsupported],
  ])('refuses %s', (_name, type, out, status) => {
    const driver = newDriver();
    expect(driver.ask(type, 0, { out }).status).toBe(status);
    expect(driver.onDisk().equals(driver.content)).toBe(true);
  });
});

describe('a read-only disk', () => {
  it('is never written to', () => {
    const driver = newDriver({ readOnly: true });
    expect(driver.device.identity.features & (1n << 5n)).not.toBe(0n);
    expect(driver.ask(T.out, 0, { out: [Buffer.alloc(512)] }).status).toBe(S.ioError);
    expect(driver.ask(T.discard, 0, { out: [range(0, 8)] }).status).toBe(S.ioError);
    expect(driver.ask(T.writeZeroes, 0, { out: [range(0, 8)] }).status).toBe(S.ioError);
    expect(driver.ask(T.flush, 0).status).toBe(S.ok);
    expect(driver.ask(T.in, 0, { into: [512] }).data).toEqual(driver.content.subarray(0, 512));
    expect(driver.onDisk().equals(driver.content)).toBe(true);
  });
});

it('tells its serial number', () => {
  const driver = newDriver();
  const id = driver.ask(T.getId, 0, { into: [20] });
  expect(id.data.toString('latin1')).toBe('HK-0123'.padEnd(20, '\0'));
  expect(driver.ask(T.getId, 0, { into: [4] }).data.toString()).toBe('HK-0');
});

it('describes the disk', () => {
  const driver = newDriver({ sectors: { logical: 512, physical: 4096 } });
  const config = Buffer.from(driver.device.identity.config);
  expect(config.readBigUInt64LE(0)).toBe(2048n);
  expect(config.readUInt32LE(20)).toBe(512);
  expect(config.readUInt8(24)).toBe(3);
});

it('gives others their turn when there is much to do, and tells the driver meanwhile', () => {
  const driver = newDriver({ eventIndex: true });
  for (let index = 0; index < 100; index++) driver.add(T.flush, 0);
  driver.device.notified(0);
  expect(driver.again).toBe(1);
  expect(driver.interrupts).toBe(1);
  expect(driver.ring.collect()).toHaveLength(64);
  driver.device.notified(0);
  expect(driver.ring.collect()).toHaveLength(36);
});

it('keeps what a disk keeps, whatever is asked of it', () => {
  const SECTORS = 64;
  const request = fc.record({
    type: fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom(...Object.values(T)) },
      { weight: 1, arbitrary: fc.nat({ max: 0xffff_ffff }) },
    ),
    sector: fc.oneof(
      { weight: 8, arbitrary: fc.nat({ max: SECTORS }) },
      { weight: 1, arbitrary: fc.nat({ max: 2 ** 40 }) },
    ),
    lengths: fc.array(fc.constantFrom(0, 1, 20, 256, 512, 512, 1024, 2048), { maxLength: 4 }),
    ranges: fc.array(
      fc.record({ sector: fc.nat({ max: SECTORS }), sectors: fc.nat({ max: 16 }), flags: fc.constantFrom(0, 0, 1, 2) }),
      { maxLength: 3 },
    ),
    fill: fc.nat({ max: 255 }),
    indirect: fc.boolean(),
  });
  const driver = newDriver({ sizeBytes: SECTORS * 512, eventIndex: true });
  const model = Buffer.from(driver.content);
  const count = { ok: 0, refused: 0 };
  fc.assert(
    fc.property(fc.array(fc.array(request, { minLength: 1, maxLength: 6 }), { maxLength: 8 }), (batches) => {
      for (const batch of batches) {
        const asked = batch.map((one) => {
          const isRange = one.type === T.discard || one.type === T.writeZeroes;
          const out = isRange
            ? one.ranges.map(({ sector, sectors, flags }) => range(sector, sectors, flags))
            : one.type === T.out
              ? one.lengths.map((length, index) => Buffer.alloc(length, one.fill + index))
              : [];
          const into = one.type === T.in || one.type === T.getId ? one.lengths : [];
          const { indirect } = one;
          return {
            ...one,
            out,
            chain: driver.ring.add([header(one.type, one.sector), ...out], [...into, 1], { indirect }),
          };
        });
        const answers = driver.serve();
        expect(answers.size).toBe(batch.length);
        for (const { type, sector, out, ranges, chain } of asked) {
          const { status, written, data } = answers.get(chain.head)!;
          count[status === S.ok ? 'ok' : 'refused']++;
          const room = chain.writable.reduce((sum, { length }) => sum + length, 0);
          if (written > room) throw new Error(`${written} bytes written to ${room}`);
          const bytes = Buffer.concat(out);
          const at = sector * 512;
          if (type === T.in || type === T.out) {
            const length = type === T.in ? data.length : bytes.length;
            const expected = length % 512 === 0 && at + length <= model.length ? S.ok : S.ioError;
            expect(status).toBe(expected);
          }
          if (status !== S.ok) continue;
          if (type === T.out) bytes.copy(model, at);
          if (type === T.in) expect(data.equals(model.subarray(at, at + data.length))).toBe(true);
          if (type === T.discard || type === T.writeZeroes) {
            for (const one of ranges) model.fill(0, one.sector * 512, (one.sector + one.sectors) * 512);
          }
        }
      }
    }),
    { numRuns: 1_500 },
  );
  expect(driver.onDisk().equals(model)).toBe(true);
  expect(Math.min(count.ok, count.refused)).toBeGreaterThan(3_000);
});

it('takes any descriptors for the fault of the driver, or for requests inside of disk and memory', () => {
  const memoryBytes = 0x1_0000;
  const driver = newDriver({ sizeBytes: 0x8000, memoryBytes: 0x2_0000, readOnly: true });
  const { memory, layout } = driver.ring;
  const mostly = <T>(usual: fc.Arbitrary<T>, ...others: readonly T[]) =>
    fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: fc.constantFrom(...others) });
  const descriptor = fc.record({
    address: mostly(fc.nat({ max: memoryBytes }), 0x1_fff0, 0x1_ffff, 0x2_0000, 2 ** 40),
    length: mostly(fc.constantFrom(1, 16, 17, 512, 513, 4096), 0, 0x1_0000, 0xffff_ffff),
    flags: mostly(fc.constant(NEXT), 0, INDIRECT, 0xffff),
    next: mostly(fc.constant(1), 0, 2, 7),
  });
  let served = 0;
  fc.assert(
    fc.property(fc.array(descriptor, { minLength: 8, maxLength: 8 }), fc.nat({ max: 7 }), (descriptors, head) => {
      memory.slice(0, 0x2_0000).fill(0);
      const firstWritable = Math.max(1, head);
      for (const [index, one] of descriptors.entries()) {
        const write = index >= firstWritable ? WRITE : 0;
        const flags = index === 6 ? write : one.flags | write;
        const next = index + one.next;
        writeDescriptor(memory, layout.descriptorTable + 16 * index, { ...one, flags, next });
      }
      memory.writeU16(layout.availableRing + 4, 0);
      memory.storeU16(layout.availableRing + 2, 1);
      const device = driver.freshDevice();
      try {
        device.notified(0);
        served += memory.loadU16(layout.usedRing + 2);
      } catch (error) {
        if (!(error instanceof EngineError && error.code === 'HK_GUEST_FAULT')) throw error;
      }
    }),
    { numRuns: 20_000 },
  );
  expect(served).toBeGreaterThan(500);
});
