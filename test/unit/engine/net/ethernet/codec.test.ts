import fc from 'fast-check';
import {
  COMMAND_BYTES,
  decodeCommand,
  decodeInit,
  decodeResponse,
  encodeCommand,
  encodeInit,
  encodeResponse,
  INIT_BYTES,
  RESPONSE_BYTES,
} from '../../../../../engine/net/ethernet/codec';

const UUID = 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5';
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const exactly = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map(Buffer.from);

test('a greeting is magic, version and commit', () => {
  expect(hex(encodeInit())).toBe(`${hex(Buffer.from('VMN3T'))}16000000${hex(Buffer.from('0123456789'.repeat(4)))}`);
});

test('a wish for an address is the number of that address, little endian', () => {
  const bytes = encodeCommand({ uuid: UUID, preferredIp: 0xc0a8_41fa });
  expect(hex(bytes)).toBe(`08${hex(Buffer.from(UUID))}fa41a8c0`);
});

test('without a wish the padding is still sent', () => {
  expect(hex(encodeCommand({ uuid: UUID, preferredIp: undefined }))).toBe(`01${hex(Buffer.from(UUID))}00000000`);
});

test('an interface is MTU, longest packet and MAC', () => {
  const mac = Uint8Array.of(0x02, 0x50, 0, 0, 0, 1);
  const bytes = encodeResponse({ kind: 'vif', mtu: 1500, maxPacketBytes: 1550, mac });
  expect(hex(bytes)).toBe(`01dc050e06025000000001${'00'.repeat(247)}`);
});

test('a refusal is its length and text', () => {
  const bytes = encodeResponse({ kind: 'disconnect', text: 'No IP addresses available.' });
  expect(hex(bytes)).toBe(`021a${hex(Buffer.from('No IP addresses available.'))}${'00'.repeat(230)}`);
});

test('the command of the macOS helper is none of ours', () => {
  const bytes = encodeCommand({ uuid: UUID, preferredIp: 1 });
  bytes[0] = 6;
  expect(decodeCommand(bytes)).toBeUndefined();
});

test('what is encoded is decoded', () => {
  const word = fc.nat(0xffff);
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary-ascii', minLength: 36, maxLength: 36 }),
      fc.option(fc.nat(0xffff_ffff), { nil: undefined }),
      (uuid, preferredIp) => {
        expect(decodeCommand(encodeCommand({ uuid, preferredIp }))).toEqual({ uuid, preferredIp });
      },
    ),
  );
  fc.assert(
    fc.property(word, word, fc.uint8Array({ minLength: 6, maxLength: 6 }), (mtu, maxPacketBytes, mac) => {
      const vif = { kind: 'vif', mtu, maxPacketBytes, mac: Uint8Array.from(mac) } as const;
      expect(decodeResponse(encodeResponse(vif))).toEqual(vif);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 255 }), (text) => {
      expect(decodeResponse(encodeResponse({ kind: 'disconnect', text }))).toEqual({ kind: 'disconnect', text });
    }),
  );
});

test('a text that is too long loses its end only', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 200, maxLength: 400 }), (text) => {
      const decoded = decodeResponse(encodeResponse({ kind: 'disconnect', text }));
      expect(decoded?.kind === 'disconnect' && text.startsWith(decoded.text)).toBe(true);
    }),
  );
});

test('anything decodes to something or nothing', () => {
  fc.assert(
    fc.property(exactly(INIT_BYTES), exactly(COMMAND_BYTES), exactly(RESPONSE_BYTES), (init, command, response) => {
      expect(decodeInit(init).version).toBeGreaterThanOrEqual(0);
      expect(decodeCommand(command)?.uuid.length ?? 36).toBe(36);
      const decoded = decodeResponse(response);
      if (decoded?.kind === 'disconnect') expect(decoded.text.length).toBeLessThanOrEqual(255);
    }),
  );
});
