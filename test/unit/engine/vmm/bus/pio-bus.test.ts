import fc from 'fast-check';
import { PioBus } from '../../../../../engine/vmm/bus/pio-bus';
import type { AccessSize, RegisterDevice } from '../../../../../engine/vmm/bus/register-device';

/** Bytes as registers; it remembers how it was asked. */
class Bytes implements RegisterDevice {
  readonly accesses: [offset: number, size: number][] = [];

  constructor(readonly bytes: Uint8Array) {}

  read(offset: number, size: AccessSize): number {
    this.accesses.push([offset, size]);
    let value = 0;
    for (let byte = size - 1; byte >= 0; byte--) value = value * 0x100 + (this.bytes[offset + byte] ?? Number.NaN);
    return value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.accesses.push([offset, size]);
    if (offset + size > this.bytes.length) throw new RangeError('beyond the device');
    for (let byte = 0; byte < size; byte++) this.bytes[offset + byte] = Math.floor(value / 2 ** (8 * byte)) & 0xff;
  }
}

const device = (length: number): Bytes => new Bytes(new Uint8Array(length));

test('a device sees offsets, not ports', () => {
  const bus = new PioBus();
  const serial = device(8);
  bus.claim(0x3f8, 8, serial);
  bus.write(0x3fc, 2, 0xabcd);
  expect(bus.read(0x3fc, 2)).toBe(0xabcd);
  expect(serial.accesses).toEqual([
    [4, 2],
    [4, 2],
  ]);
});

test('nobody reads as ones, and is told of', () => {
  const unclaimed: [number, number][] = [];
  const bus = new PioBus(undefined, (port, size) => unclaimed.push([port, size]));
  expect([bus.read(0x10, 1), bus.read(0x10, 2), bus.read(0x10, 4)]).toEqual([0xff, 0xffff, 0xffff_ffff]);
  bus.write(0x20, 4, 1);
  expect(unclaimed).toEqual([
    [0x10, 1],
    [0x10, 2],
    [0x10, 4],
    [0x20, 4],
  ]);
});

test('PCI BARs are asked for where nothing is fixed', () => {
  const card = device(8);
  const bus = new PioBus((port) =>
    port >= 0x2000 && port < 0x2008 ? { device: card, offset: port - 0x2000 } : undefined,
  );
  bus.write(0x2004, 4, 0x8765_4321);
  expect(bus.read(0x2004, 4)).toBe(0x8765_4321);
  // The last two bytes of this access are not the card's.
  expect(bus.read(0x2006, 4)).toBe(0xffff_8765);
});

test('two devices can’t have one port', () => {
  const bus = new PioBus();
  bus.claim(0x60, 1, device(1));
  expect(() => bus.claim(0x5f, 2, device(2))).toThrow(/two devices claim ports between 0x5f and 0x60/);
  expect(() => bus.claim(0xffff, 2, device(2))).toThrow(RangeError);
});

test('any access to any port behaves as one to its bytes', () => {
  const access = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.constantFrom<AccessSize>(1, 2, 4), fc.nat(0xffff_ffff));
  fc.assert(
    fc.property(fc.array(access), fc.boolean(), (accesses, atTheEnd) => {
      const base = atTheEnd ? 0x1_0000 - 41 : 0;
      const bus = new PioBus();
      // Devices at 3-9, 10 and 20-27; between them nothing, behind the last port the first.
      const model = new Uint8Array(0x1_0000).fill(0xff);
      for (const [start, length] of [
        [3, 7],
        [10, 1],
        [20, 8],
      ] as const) {
        bus.claim(base + start, length, device(length));
        model.fill(0, base + start, base + start + length);
      }
      const claimed = (port: number): boolean =>
        [3, 10, 20].some((start) => {
          const length = start === 3 ? 7 : start === 10 ? 1 : 8;
          return port >= base + start && port < base + start + length;
        });
      for (const [offset, size, value] of accesses) {
        const port = base + offset;
        let expected = 0;
        for (let byte = size - 1; byte >= 0; byte--)
          expected = expected * 0x100 + (model[(port + byte) & 0xffff] as number);
        expect(bus.read(port, size)).toBe(expected);
        bus.write(port, size, value);
        for (let byte = 0; byte < size; byte++) {
          const at = (port + byte) & 0xffff;
          if (claimed(at)) model[at] = Math.floor(value / 2 ** (8 * byte)) & 0xff;
        }
      }
    }),
  );
});
