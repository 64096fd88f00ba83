import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { AhciMachine, numbered } from './ahci-driver';

const SECTORS = 256;
let machine: AhciMachine;
afterEach(() => machine.close());

function disk(options: { readOnly?: boolean; sector?: number } = {}): AhciMachine {
  machine = new AhciMachine('ahci-hd', numbered(SECTORS), options);
  machine.start();
  return machine;
}

const word = (data: Buffer, index: number): number => data.readUInt16LE(index * 2);
const text = (data: Buffer, index: number, length: number): string =>
  Buffer.from(data.subarray(index * 2, index * 2 + length))
    .swap16()
    .toString('latin1')
    .trim();

describe('IDENTIFY DEVICE', () => {
  it('says what the disk is and how large, by PIO', () => {
    const { data, failed, moved } = disk().run({ command: 0xec }, { regions: [512] });
    expect([failed, moved]).toEqual([false, 512]);
    expect([text(data, 10, 20), text(data, 27, 40)]).toEqual(['SERIAL-1', 'BHYVE SATA DISK']);
    expect(data.readUInt32LE(120)).toBe(SECTORS);
    expect(data.readBigUInt64LE(200)).toBe(BigInt(SECTORS));
    expect(word(data, 49) & 0x300).toBe(0x300);
    expect([word(data, 83) >> 14, word(data, 83) & 0x3400]).toEqual([1, 0x3400]);
    expect(word(data, 76) & 0x100).toBe(0);
    expect(word(data, 106)).toBe(0x6003);
    expect(data.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
    // The end is in the PIO setup frame, where Linux looks for it.
    const frame = machine.received.slice(0x20, 0x34);
    expect([frame[0], frame[1], frame[2], frame[15], frame[16]! + frame[17]! * 256]).toEqual([
      0x5f, 0x60, 0x58, 0x50, 512,
    ]);
  });

  it('tells of large sectors', () => {
    const { data } = disk({ sector: 4096 }).run({ command: 0xec }, { regions: [512] });
    expect([word(data, 106), data.readUInt32LE(234)]).toEqual([0x5000, 2048]);
    expect(data.readUInt32LE(120)).toBe((SECTORS * 512) / 4096);
  });

  it('shows what SET FEATURES has set', () => {
    disk();
    const identify = () => machine.run({ command: 0xec }, { regions: [512] }).data;
    expect(word(identify(), 85) & 0x60).toBe(0x60);
    for (const [features, count] of [
      [0x82, 0],
      [0x55, 0],
      [0x03, 0x42],
    ] as const) {
      expect(machine.run({ command: 0xef, features, count }).failed).toBe(false);
    }
    expect(word(identify(), 85) & 0x60).toBe(0);
    expect(word(identify(), 88)).toBe(0x047f);
    machine.run({ command: 0xc6, count: 8 });
    expect(word(identify(), 59)).toBe(0x0108);
    expect(machine.run({ command: 0xc6, count: 3 }).failed).toBe(true);
    expect(machine.run({ command: 0xef, features: 0x66 })).toMatchObject({ failed: true, status: 0x51, error: 0x04 });
  });
});

it.each([
  ['READ DMA EXT', 0x25],
  ['READ DMA', 0xc8],
  ['READ SECTORS', 0x20],
  ['READ SECTORS EXT', 0x24],
  ['READ MULTIPLE', 0xc4],
  ['READ MULTIPLE EXT', 0x29],
])('%s fills the buffers', (_, command) => {
  disk();
  const ended = machine.run({ command, lba: 10, count: 4 }, { regions: [512, 100, 412, 1024] });
  expect([ended.failed, ended.moved]).toEqual([false, 2048]);
  expect(ended.data.equals(numbered(SECTORS).subarray(10 * 512, 14 * 512))).toBe(true);
});

it.each([
  ['WRITE DMA EXT', 0x35],
  ['WRITE DMA', 0xca],
  ['WRITE SECTORS', 0x30],
  ['WRITE SECTORS EXT', 0x34],
  ['WRITE MULTIPLE', 0xc5],
  ['WRITE MULTIPLE EXT', 0x39],
])('%s changes the sectors named, and no others', (_, command) => {
  disk();
  const data = Buffer.alloc(1536, 'written ');
  expect(machine.run({ command, lba: 7, count: 3 }, { regions: [700, 836], data }).failed).toBe(false);
  expect(machine.run({ command: 0xea }).failed).toBe(false);
  const expected = numbered(SECTORS);
  data.copy(expected, 7 * 512);
  expect(readFileSync(machine.path).equals(expected)).toBe(true);
});

it('takes a count of 0 for the most, and the upper bits of a 28-bit address from the device register', () => {
  disk();
  const whole = machine.run({ command: 0xc8, count: 0 }, { regions: [SECTORS * 512] });
  expect([whole.failed, whole.moved]).toEqual([false, SECTORS * 512]);
  expect(machine.run({ command: 0x25, count: 0 }, { regions: [0x4_0000] })).toMatchObject({
    failed: true,
    error: 0x10,
  });
  expect(machine.run({ command: 0xc8, lba: 1, count: 1, device: 0x41 }, { regions: [512] })).toMatchObject({
    error: 0x10,
  });
});

it('refuses what is not on the disk, buffers that are too small, and what it does not know', () => {
  disk();
  const outside = machine.run({ command: 0x25, lba: SECTORS - 1, count: 2 }, { regions: [1024] });
  expect(outside).toMatchObject({ failed: true, status: 0x51, error: 0x10 });
  expect(outside.frame[4]).toBe(SECTORS - 1);
  expect(machine.run({ command: 0x25, lba: 2 ** 48 - 1, count: 0xffff }, { regions: [512] }).failed).toBe(true);
  expect(machine.run({ command: 0x25, count: 2 }, { regions: [1023] })).toMatchObject({ failed: true, error: 0x04 });
  expect(machine.run({ command: 0x35, count: 2 }, { regions: [512] })).toMatchObject({ failed: true, error: 0x04 });
  for (const command of [0x00, 0xa0, 0xa1, 0xb0, 0x60, 0x61, 0x2f]) {
    expect(machine.run({ command }, { regions: [512] })).toMatchObject({ failed: true, error: 0x04 });
  }
  expect(readFileSync(machine.path).equals(numbered(SECTORS))).toBe(true);
});

it('does not write to a read-only image', () => {
  disk({ readOnly: true });
  expect(machine.run({ command: 0x35, count: 1 }, { regions: [512] })).toMatchObject({ failed: true, error: 0x04 });
  expect(machine.run({ command: 0xea }).failed).toBe(false);
});

it('trims: the sectors read as zeroes', () => {
  disk();
  if ((word(machine.run({ command: 0xec }, { regions: [512] }).data, 169) & 1) === 0) return;
  const ranges = Buffer.alloc(512);
  ranges.writeUInt32LE(16, 0);
  ranges.writeUInt16LE(32, 6);
  ranges.writeUInt32LE(100, 8);
  ranges.writeUInt16LE(1, 14);
  expect(machine.run({ command: 0x06, features: 1, count: 1 }, { regions: [512], data: ranges }).failed).toBe(false);
  const expected = numbered(SECTORS);
  expected.fill(0, 16 * 512, 48 * 512);
  expected.fill(0, 100 * 512, 101 * 512);
  expect(readFileSync(machine.path).equals(expected)).toBe(true);
  ranges.writeUInt32LE(SECTORS, 0);
  expect(machine.run({ command: 0x06, features: 1, count: 1 }, { regions: [512], data: ranges }).failed).toBe(true);
  expect(machine.run({ command: 0x06, features: 1, count: 9 }, { regions: [9 * 512] }).failed).toBe(true);
});

it('answers the small commands', () => {
  disk();
  for (const command of [0x40, 0x42, 0xe0, 0xe1, 0xe2, 0xe3, 0xe6, 0xe7, 0xea]) {
    expect(machine.run({ command, count: 1 }).failed).toBe(false);
  }
  expect(machine.run({ command: 0xe5 }).frame[12]).toBe(0xff);
});

it('reads what was written, wherever the borders of the buffers are', () => {
  disk();
  const model = numbered(SECTORS);
  const piece = fc.integer({ min: 1, max: 900 });
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.nat(SECTORS - 1),
      fc.integer({ min: 1, max: 24 }),
      fc.array(piece, { maxLength: 60 }),
      fc.nat(255),
      (write, lba, sectors, pieces, fill) => {
        const count = Math.min(sectors, SECTORS - lba);
        const regions: number[] = [];
        let left = count * 512;
        for (const length of pieces) {
          if (left === 0) break;
          regions.push(Math.min(length, left));
          left -= Math.min(length, left);
        }
        if (left > 0) regions.push(left);
        const place = model.subarray(lba * 512, (lba + count) * 512);
        const data = Buffer.alloc(count * 512, `${fill},`);
        const ended = machine.run(
          { command: write ? 0x35 : 0x25, lba, count },
          { regions, ...(write ? { data } : {}) },
        );
        expect([ended.failed, ended.moved]).toEqual([false, count * 512]);
        if (write) data.copy(place);
        else expect(ended.data.equals(place)).toBe(true);
      },
    ),
    { numRuns: 150 },
  );
  expect(readFileSync(machine.path).equals(model)).toBe(true);
});
