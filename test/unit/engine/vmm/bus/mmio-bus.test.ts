import { MmioBus } from '../../../../../engine/vmm/bus/mmio-bus';
import type { AccessSize, RegisterDevice } from '../../../../../engine/vmm/bus/register-device';

const accesses: unknown[] = [];
const registers: RegisterDevice = {
  read: (offset: number, size: AccessSize) => {
    accesses.push(['read', offset, size]);
    return offset === 8 ? 0xdead_beef : 0x1234_5678 % 2 ** (8 * size);
  },
  write: (offset: number, size: AccessSize, value: number) => void accesses.push(['write', offset, size, value]),
};
const bus = new MmioBus((address) =>
  address >= 0xc000_0000 && address < 0xc000_1000 ? { device: registers, offset: address - 0xc000_0000 } : undefined,
);
beforeEach(() => accesses.splice(0));
const read = (address: number, length: number): string => {
  const data = new Uint8Array(length);
  bus.read(address, data);
  return Buffer.from(data).toString('hex');
};

test('numbers are little-endian', () => {
  expect(read(0xc000_0008, 4)).toBe('efbeadde');
  bus.write(0xc000_0010, Buffer.from('feff', 'hex'));
  expect(accesses).toEqual([
    ['read', 8, 4],
    ['write', 0x10, 2, 0xfffe],
  ]);
});

test('eight bytes are two accesses, odd sizes are what they need', () => {
  expect(read(0xc000_0004, 8)).toBe('78563412efbeadde');
  bus.write(0xc000_0000, Buffer.from('0102030405060708', 'hex'));
  bus.write(0xc000_0001, Buffer.from('010203', 'hex'));
  expect(accesses).toEqual([
    ['read', 4, 4],
    ['read', 8, 4],
    ['write', 0, 4, 0x0403_0201],
    ['write', 4, 4, 0x0807_0605],
    ['write', 1, 2, 0x0201],
    ['write', 3, 1, 0x03],
  ]);
});

test('nobody reads as ones and takes everything', () => {
  expect(read(0xd000_0000, 8)).toBe('ffffffffffffffff');
  bus.write(0xd000_0000, new Uint8Array(8));
  expect(accesses).toEqual([]);
});
