import fc from 'fast-check';
import { configuration, tableOfContents } from '../../../../../engine/vmm/ahci/cd-answers';
import { AhciMachine, numbered } from './ahci-driver';

const BLOCKS = 40;
let machine: AhciMachine;

beforeEach(() => {
  machine = new AhciMachine('ahci-cd', numbered(BLOCKS, 2048));
  machine.start();
});
afterEach(() => machine.close());

const sense = (): readonly number[] => {
  const { data, failed } = machine.packet([0x03, 0, 0, 0, 18], 18);
  expect([failed, data[0]]).toEqual([false, 0x70]);
  return [data[2]!, data[12]!];
};

it('identifies itself to those that ask for a packet device', () => {
  const { data, failed } = machine.run({ command: 0xa1 }, { regions: [512] });
  expect(failed).toBe(false);
  expect(data.readUInt16LE(0)).toBe(0x85c0);
  expect(Buffer.from(data.subarray(54, 94)).swap16().toString('latin1').trim()).toBe('BHYVE SATA DVD ROM');
  // A driver that takes it for a disk learns better.
  const wrong = machine.run({ command: 0xec }, { regions: [512] });
  expect(wrong).toMatchObject({ failed: true, error: 0x04 });
  expect([...wrong.frame.slice(4, 7), wrong.frame[12]]).toEqual([0x01, 0x14, 0xeb, 1]);
  expect(machine.run({ command: 0xef, features: 3, count: 0x42 }).failed).toBe(false);
});

it("passes the steps of Linux's sr driver", () => {
  const inquiry = machine.packet([0x12, 0, 0, 0, 36], 36);
  expect(inquiry.moved).toBe(36);
  expect([inquiry.data[0], inquiry.data[1]! & 0x80]).toEqual([5, 0x80]);
  expect(inquiry.data.toString('latin1', 8, 32)).toBe('BHYVE   BHYVE DVD-ROM   ');
  expect(machine.packet([0x00]).failed).toBe(false);
  const capacity = machine.packet([0x25], 8);
  expect([capacity.data.readUInt32BE(0), capacity.data.readUInt32BE(4)]).toEqual([BLOCKS - 1, 2048]);
  const mode = machine.packet([0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 128], 128);
  expect(mode.data.readUInt16BE(0)).toBe(mode.moved - 2);
  expect([mode.data[8], mode.data[9]]).toEqual([0x2a, mode.moved - 10]);
  expect(machine.packet([0x5a, 0, 0x0e, 0, 0, 0, 0, 0, 128], 128).failed).toBe(true);
  expect(sense()).toEqual([5, 0x24]);
  const events = machine.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8], 8);
  expect([...events.data]).toEqual([0, 6, 4, 0x10, 0, 2, 0, 0]);
  const toc = machine.packet([0x43, 0, 0, 0, 0, 0, 0, 0, 12], 12);
  expect([...toc.data]).toEqual([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
  const leadOut = machine.packet([0x43, 2, 0, 0, 0, 0, 0xaa, 0, 12], 12);
  expect([...leadOut.data]).toEqual([0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 0, 2, BLOCKS]);
  const session = machine.packet([0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40], 12);
  expect([...session.data]).toEqual([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
  expect(machine.packet([0x1e, 0, 0, 0, 1]).failed).toBe(false);
  expect(machine.packet([0x1b, 0, 0, 0, 2]).failed).toBe(false);
  expect(machine.packet([0x00]).failed).toBe(false);
});

it("passes the steps of udev's cdrom_id", () => {
  const features = machine.packet([0x46, 0, 0, 0, 0, 0, 0, 2, 0], 512);
  expect(features.data.readUInt32BE(0)).toBe(features.moved - 4);
  expect(features.data.readUInt16BE(6)).toBe(0x0008);
  const codes: number[] = [];
  for (let at = 8; at < features.moved; at += 4 + features.data[at + 3]!) codes.push(features.data.readUInt16BE(at));
  expect(codes).toEqual([0, 1, 3, 0x1e, 0x1f]);
  const one = machine.packet([0x46, 2, 0, 0x1e, 0, 0, 0, 2, 0], 512);
  expect([one.moved, one.data.readUInt16BE(8)]).toEqual([16, 0x1e]);
  const disc = machine.packet([0x51, 0, 0, 0, 0, 0, 0, 0, 34], 34);
  expect([disc.data.readUInt16BE(0), disc.data[2]! & 3]).toEqual([32, 2]);
  const toc = machine.packet([0x43, 0, 0, 0, 0, 0, 0, 255, 255], 1024);
  expect(toc.moved).toBe(20);
});

it.each([
  ['READ(10)', (lba: number, blocks: number) => [0x28, 0, 0, 0, lba >> 8, lba & 255, 0, blocks >> 8, blocks & 255]],
  ['READ(12)', (lba: number, blocks: number) => [0xa8, 0, 0, 0, lba >> 8, lba & 255, 0, 0, blocks >> 8, blocks & 255]],
])('%s reads blocks, and nothing behind the last', (_, packet) => {
  const ended = machine.packet(packet(3, 2), 4096, [1000, 3096]);
  expect([ended.failed, ended.moved, ended.status, ended.frame[12]]).toEqual([false, 4096, 0x50, 3]);
  expect(ended.data.equals(numbered(BLOCKS, 2048).subarray(3 * 2048, 5 * 2048))).toBe(true);
  expect(machine.packet(packet(0, 0)).failed).toBe(false);
  expect(machine.packet(packet(BLOCKS - 1, 2), 4096)).toMatchObject({ failed: true, error: 0x54 });
  expect(sense()).toEqual([5, 0x21]);
  expect(sense()).toEqual([0, 0]);
  expect(machine.packet(packet(0, 2), 4095).failed).toBe(true);
  expect(sense()).toEqual([5, 0x24]);
});

it('gives no more than is asked for, and no more than there is room for', () => {
  const short = machine.packet([0x12, 0, 0, 0, 5], 64);
  expect([short.moved, short.data[5]]).toEqual([5, 0xee]);
  const small = machine.packet([0x12, 0, 0, 0, 36], 8);
  expect([small.failed, small.moved]).toEqual([false, 8]);
});

it('refuses commands it does not have', () => {
  for (const command of [0x2a, 0xad, 0xbe, 0xff]) {
    expect(machine.packet([command], 64)).toMatchObject({ failed: true, status: 0x51, error: 0x54 });
    expect(sense()).toEqual([5, 0x20]);
  }
  expect(machine.packet([0x12, 1, 0x80, 0, 64], 64).failed).toBe(true);
  expect(machine.run({ command: 0x35, count: 1 }, { regions: [512] }).failed).toBe(true);
});

it('is a DVD when it is larger than a CD', () => {
  const code = (blocks: number): number => Buffer.from(configuration(blocks, 0, 0)).readUInt16BE(6);
  expect([code(360_000), code(360_001)]).toEqual([0x0008, 0x0010]);
  expect([...tableOfContents(400_000, 0, 0xaa, true)!.slice(8)]).toEqual([0, 88, 55, 25]);
});

it('stands any packet', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 12, maxLength: 16 }),
      fc.constantFrom(0x12, 0x1a, 0x28, 0x43, 0x46, 0x4a, 0x51, 0x5a, 0xa0, 0xa8, undefined),
      fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 4 }),
      (bytes, command, regions) => {
        const packet = Buffer.from(bytes);
        if (command !== undefined) packet[0] = command;
        const ended = machine.run({ command: 0xa0, features: 1 }, { regions, packet });
        expect(ended.moved).toBeLessThanOrEqual(regions.reduce((sum, length) => sum + length, 0));
        expect(ended.failed).toBe((ended.status & 1) === 1);
      },
    ),
    { numRuns: 400 },
  );
  expect(machine.faults).toEqual([]);
});
