import fc from 'fast-check';
import { MessageReader } from '../../../../../engine/net/ninep/message-reader';
import { NinePError } from '../../../../../engine/net/ninep/nine-p-error';
import { decodeRequest, encodeReply, encodeStat, type Reply } from '../../../../../engine/net/ninep/wire';
import { encode, readEntries, text, u16, u32, u64 } from './nine-p-client';

const fid = fc.nat(0xffffffff);
const tag = fc.nat(0xffff);
const name = fc.string({ maxLength: 50, unit: 'grapheme' });

describe('a request is read as it was written', () => {
  const check = <T extends object>(type: number, fields: fc.Arbitrary<T>, body: (it: T) => Buffer, extra: object) =>
    fc.assert(
      fc.property(fields, tag, (it, number) => {
        expect(decodeRequest(encode(type, number, body(it)))).toEqual({ ...it, ...extra });
      }),
    );

  test('version', () => {
    const fields = fc.record({ msize: fid, version: name });
    check(100, fields, ({ msize, version }) => Buffer.concat([u32(msize), text(version)]), { type: 'version' });
  });
  test('attach', () => {
    const body = (it: { fid: number; afid: number }) => Buffer.concat([u32(it.fid), u32(it.afid), text('a'), text('')]);
    check(104, fc.record({ fid, afid: fid }), body, { type: 'attach' });
  });
  test('flush', () => check(108, fc.record({ oldTag: tag }), ({ oldTag }) => u16(oldTag), { type: 'flush' }));
  test('walk', () => {
    const fields = fc.record({ fid, newFid: fid, names: fc.array(name, { maxLength: 16 }) });
    const body = (it: { fid: number; newFid: number; names: string[] }) =>
      Buffer.concat([u32(it.fid), u32(it.newFid), u16(it.names.length), ...it.names.map(text)]);
    check(110, fields, body, { type: 'walk' });
  });
  test('open', () => {
    const body = (it: { fid: number; mode: number }) => Buffer.concat([u32(it.fid), Buffer.of(it.mode)]);
    check(112, fc.record({ fid, mode: fc.nat(255) }), body, { type: 'open' });
  });
  test('create', () => {
    const body = (it: { fid: number; name: string; perm: number }) =>
      Buffer.concat([u32(it.fid), text(it.name), u32(it.perm), Buffer.of(0)]);
    check(114, fc.record({ fid, name, perm: fid }), body, { type: 'create' });
  });
  test('read', () => {
    const fields = fc.record({ fid, offset: fc.maxSafeNat(), count: fid });
    const body = (it: { fid: number; offset: number; count: number }) =>
      Buffer.concat([u32(it.fid), u64(it.offset), u32(it.count)]);
    check(116, fields, body, { type: 'read' });
  });
  test('write', () => {
    const fields = fc.record({ fid, offset: fc.maxSafeNat(), data: fc.uint8Array().map((it) => Buffer.from(it)) });
    const body = (it: { fid: number; offset: number; data: Buffer }) =>
      Buffer.concat([u32(it.fid), u64(it.offset), u32(it.data.length), it.data]);
    check(118, fields, body, { type: 'write' });
  });
  test.each([
    [120, 'clunk'],
    [122, 'remove'],
    [124, 'stat'],
    [126, 'wstat'],
  ])('%i', (type, word) => check(type, fc.record({ fid }), (it) => u32(it.fid), { type: word }));
});

test('a message that is cut short anywhere is refused', () => {
  const whole = encode(110, 1, Buffer.concat([u32(1), u32(2), u16(2), text('name'), text('ctl')]));
  for (let length = 7; length < whole.length; length++) {
    expect(() => decodeRequest(whole.subarray(0, length))).toThrow(NinePError);
  }
});

test('any bytes are a request or are refused', () => {
  const type = fc.oneof(fc.integer({ min: 98, max: 130 }), fc.nat(255));
  fc.assert(
    fc.property(type, fc.uint8Array({ maxLength: 60 }), (number, body) => {
      try {
        decodeRequest(encode(number, 0, Buffer.from(body)));
      } catch (error) {
        expect(error).toBeInstanceOf(NinePError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('text that is not UTF-8 and more than 16 names are refused', () => {
  expect(() => decodeRequest(encode(100, 0, Buffer.concat([u32(9), u16(1), Buffer.of(0xff)])))).toThrow('not UTF-8');
  expect(() => decodeRequest(encode(110, 0, Buffer.concat([u32(1), u32(2), u16(17)])))).toThrow('too many names');
});

test.each<[Reply, string]>([
  [{ type: 'version', msize: 8192, version: '9P2000' }, '13000000 65 ffff 00200000 0600 395032303030'],
  [{ type: 'error', message: 'no' }, '0b000000 6b ffff 0200 6e6f'],
  [{ type: 'attach', qid: { type: 128, version: 1, path: 2 } }, '14000000 69 ffff 80 01000000 0200000000000000'],
  [{ type: 'flush' }, '07000000 6d ffff'],
  [{ type: 'walk', qids: [] }, '09000000 6f ffff 0000'],
  [
    { type: 'open', qid: { type: 0, version: 0, path: 3 }, ioUnit: 512 },
    '18000000 71 ffff 00 00000000 0300000000000000 00020000',
  ],
  [{ type: 'read', data: Buffer.from('ab') }, '0d000000 75 ffff 02000000 6162'],
  [{ type: 'write', count: 5 }, '0b000000 77 ffff 05000000'],
  [{ type: 'clunk' }, '07000000 79 ffff'],
  [{ type: 'remove' }, '07000000 7b ffff'],
])('%j has its bytes', (reply, hex) => {
  expect(encodeReply(0xffff, reply).toString('hex')).toBe(hex.replaceAll(' ', ''));
});

test('an entry of a directory is read as it was written', () => {
  const qid = fc.record({ type: fc.nat(255), version: fid, path: fc.maxSafeNat() });
  const stat = fc.record({ qid, mode: fid, time: fid, lengthBytes: fc.maxSafeNat(), name, owner: name });
  fc.assert(
    fc.property(fc.array(stat, { maxLength: 5 }), (stats) => {
      const entries = readEntries(Buffer.concat(stats.map(encodeStat)));
      expect(entries.map(({ name, mode, length }) => ({ name, mode, length }))).toEqual(
        stats.map(({ name, mode, lengthBytes }) => ({ name, mode, length: lengthBytes })),
      );
    }),
  );
});

describe('the reader', () => {
  const message = fc.uint8Array({ maxLength: 100 }).map((body) => encode(100, 0, Buffer.from(body)));

  test('cuts a stream into the messages that it was made of', () => {
    fc.assert(
      fc.property(fc.array(message), fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (messages, sizes) => {
        const reader = new MessageReader(() => 1000);
        const found: Buffer[] = [];
        let rest = Buffer.concat(messages);
        for (const size of sizes) {
          if (rest.length === 0) break;
          found.push(...reader.push(rest.subarray(0, size)));
          rest = rest.subarray(size);
        }
        expect(found).toEqual(messages);
      }),
    );
  });

  test.each([0, 6, 1001, 0xffffffff])('refuses a message of %i bytes', (size) => {
    const reader = new MessageReader(() => 1000);
    expect(() => [...reader.push(Buffer.concat([u32(size), Buffer.alloc(3)]))]).toThrow(NinePError);
  });
});
