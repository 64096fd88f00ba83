import fc from 'fast-check';
import {
  classifyFrame,
  FRAME_BAD,
  FRAME_DNS,
  FRAME_HTTP_PROXY,
  FRAME_ICMP,
  FRAME_NTP,
} from '../../../../../engine/net/capture/classify';
import { arp, ethernet, ipv4, ipv6, other, tcp, udp } from './frames';

const FLAGS = { bad: FRAME_BAD, dns: FRAME_DNS, http_proxy: FRAME_HTTP_PROXY, icmp: FRAME_ICMP, ntp: FRAME_NTP };
const classesOf = (frame: Uint8Array, offset = 0, length = frame.length): string => {
  const classes = classifyFrame(frame, offset, length);
  return Object.entries(FLAGS)
    .flatMap(([name, flag]) => ((classes & flag) === 0 ? [] : [name]))
    .join(' ');
};

/** An IPv6 extension header of eight bytes. */
const extension = (next: number, payload: Uint8Array, word = 0): Buffer =>
  Buffer.concat([Buffer.from([next, 0, word >> 8, word & 255, 0, 0, 0, 0]), payload]);

test.each([
  ['a question', ipv4(17, udp(5000, 53)), 'dns'],
  ['an answer', ipv4(17, udp(53, 5000)), 'dns'],
  ['DNS over TCP', ipv4(6, tcp(5000, 53)), 'dns'],
  ['DNS over IPv6', ipv6(17, udp(5000, 53)), 'dns'],
  ['DNS behind IP options', ipv4(17, udp(5000, 53), { words: 7 }), 'dns'],
  ['DNS behind extension headers', ipv6(0, extension(60, extension(17, udp(5000, 53)))), 'dns'],
  ['DNS’s first fragment', ipv4(17, udp(5000, 53), { fragment: 0x2000 }), 'dns'],
  ['DNS’s first fragment over IPv6', ipv6(44, extension(17, udp(5000, 53), 1)), 'dns'],
  ['its later fragment', ipv4(17, udp(5000, 53), { fragment: 0x0010 }), ''],
  ['its later fragment over IPv6', ipv6(44, extension(17, udp(5000, 53), 16)), ''],
  ['the time', ipv4(17, udp(123, 123)), 'ntp'],
  ['TCP to 123', ipv4(6, tcp(5000, 123)), ''],
  ['the proxy', ipv4(6, tcp(5000, 3128)), 'http_proxy'],
  ['the proxy’s answer', ipv6(6, tcp(3129, 5000)), 'http_proxy'],
  ['UDP to 3128', ipv4(17, udp(5000, 3128)), ''],
  ['a ping', ipv4(1, Buffer.alloc(8)), 'icmp'],
  ['a ping over IPv6', ipv6(58, Buffer.alloc(8)), 'icmp'],
  ['anything else over IP', ipv4(47, Buffer.alloc(8)), ''],
  ['SSH', ipv4(6, tcp(5000, 22)), ''],
  ['ARP', arp(), ''],
  ['LLDP', other(), ''],
  ['padding', Buffer.concat([ipv4(17, udp(5000, 53, 0)), Buffer.alloc(18)]), 'dns'],
])('%s', (_name, frame, expected) => {
  expect(classesOf(frame)).toBe(expected);
  const within = Buffer.concat([Buffer.alloc(7, 0xff), frame, Buffer.alloc(9, 0xff)]);
  expect(classesOf(within, 7, frame.length)).toBe(expected);
});

test.each([
  ['no header', Buffer.alloc(13)],
  ['less than it says', Buffer.alloc(20), 30],
  ['short ARP', ethernet(0x0806, Buffer.alloc(27))],
  ['short IPv4', ipv4(17, udp(1, 53)).subarray(0, 33)],
  ['another version', ethernet(0x0800, ipv6(17, udp(1, 53)).subarray(14))],
  ['IPv4 with half a header', ipv4(17, udp(1, 53), { words: 4 })],
  ['IPv4 that is cut short', ipv4(17, udp(1, 53)).subarray(0, -1)],
  ['UDP that is cut short', ipv4(17, udp(1, 53).subarray(0, -1))],
  ['UDP without a header', ipv4(17, Buffer.alloc(7))],
  ['TCP without a header', ipv4(6, Buffer.alloc(19))],
  ['TCP whose options are not there', ipv4(6, Buffer.from(tcp(1, 2, 0).fill(0xf0, 12, 13)))],
  ['ICMP without a header', ipv4(1, Buffer.alloc(3))],
  ['short IPv6', ipv6(17, udp(1, 53)).subarray(0, 50)],
  ['an extension header that is too long', ipv6(0, Buffer.from([17, 9, 0, 0, 0, 0, 0, 0]))],
  ['extension headers without end', ipv6(0, Buffer.alloc(800))],
])('bad: %s', (_name, frame, length = frame.length) => {
  expect(classesOf(frame, 0, length)).toBe('bad');
});

test('any bytes have classes; a frame that is cut is never taken for a whole one', () => {
  const good = fc.constantFrom(
    ipv4(17, udp(1, 53)),
    ipv6(6, tcp(3128, 1)),
    ipv4(1, Buffer.alloc(8)),
    ipv6(44, extension(17, udp(1, 53), 1)),
  );
  const damaged = fc
    .tuple(good, fc.array(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 255 })), { maxLength: 4 }))
    .map(([frame, changes]) => {
      const copy = Buffer.from(frame);
      for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
      return copy;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), damaged), (frame) => {
      expect(classifyFrame(frame, 0, frame.length) & ~31).toBe(0);
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(good, fc.nat({ max: 100 }), (frame, length) => {
      fc.pre(length < frame.length);
      expect(classesOf(frame.subarray(0, length))).toBe('bad');
    }),
  );
});
