import fc from 'fast-check';
import type { Network } from '../../../../../engine/net/network';
import {
  FakeGuest,
  GATEWAY_IP,
  GATEWAY_IP6,
  GATEWAY_MAC,
  GUEST_IP,
  GUEST_IP6,
  GUEST_MAC,
  HOST_IP,
  HOST_IP6,
} from '../fixtures/fake-guest';
import {
  addressBytes,
  ethernetFrame,
  ICMP,
  ICMPV6,
  icmpBytes,
  ipPacket,
  macBytes,
  naiveChecksum,
  type Packet,
  UDP,
  udpBytes,
} from '../fixtures/packets';
import { closeAll, openNetwork, pattern } from '../fixtures/test-network';

afterEach(closeAll);

const LINK_LOCAL = 'fe80::f416:36ff:febc:f9c6';
let network: Network;
let guest: FakeGuest;
beforeEach(() => {
  network = openNetwork({ ipv6Uplink: true });
  guest = new FakeGuest(network);
});

const answers = (): Packet[] => guest.packets.waiting.splice(0);

describe('ARP', () => {
  function request(target: string, sender = GUEST_IP, operation = 1): Buffer {
    return Buffer.concat([
      Buffer.from('0001080006040000', 'hex').fill(operation, 7),
      macBytes(GUEST_MAC),
      addressBytes(sender),
      Buffer.alloc(6),
      addressBytes(target),
    ]);
  }
  const ask = (body: Uint8Array): void =>
    guest.link.inject(ethernetFrame('ff:ff:ff:ff:ff:ff', GUEST_MAC, 0x0806, body));

  it.each([GATEWAY_IP, HOST_IP])('tells where %s is', (target) => {
    ask(request(target));
    const [answer] = answers();
    expect(answer).toMatchObject({ type: 0x0806, destinationMac: GUEST_MAC, sourceMac: GATEWAY_MAC });
    expect(answer!.bytes.toString('hex')).toBe(
      Buffer.concat([
        Buffer.from('0001080006040002', 'hex'),
        macBytes(GATEWAY_MAC),
        addressBytes(target),
        macBytes(GUEST_MAC),
        addressBytes(GUEST_IP),
      ]).toString('hex'),
    );
  });

  it('answers the probe of a guest that has no address yet', () => {
    ask(request(GATEWAY_IP, '0.0.0.0'));
    expect(answers()).toHaveLength(1);
  });

  it('leaves other addresses to others, and replies and broken requests unanswered', () => {
    ask(request('192.168.65.77'));
    ask(request(GATEWAY_IP, GUEST_IP, 2));
    ask(request(GATEWAY_IP).subarray(0, 27));
    ask(request(GATEWAY_IP).fill(6, 1, 2));
    ask(Buffer.alloc(0));
    expect(answers()).toEqual([]);
  });
});

describe('echo requests', () => {
  const echo = (to: string, payload: Uint8Array, source = to.includes(':') ? GUEST_IP6 : GUEST_IP): Buffer =>
    icmpBytes(source, to, to.includes(':') ? 128 : 8, 0, Buffer.concat([Buffer.from([1, 2, 3, 4]), payload]));

  it.each([GATEWAY_IP, HOST_IP, GATEWAY_IP6, HOST_IP6])('to %s are answered, whatever their length', (to) => {
    const v6 = to.includes(':');
    const source = v6 ? GUEST_IP6 : GUEST_IP;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: v6 ? 1440 : 1464 }), (payload) => {
        guest.send({ source, destination: to, protocol: v6 ? ICMPV6 : ICMP, body: echo(to, payload) });
        const [answer] = answers();
        expect(answer).toMatchObject({ source: to, destination: source, hopLimit: 64 });
        expect([...answer!.body.subarray(0, 2)]).toEqual([v6 ? 129 : 0, 0]);
        expect(answer!.body.subarray(4)).toEqual(Buffer.concat([Buffer.from([1, 2, 3, 4]), payload]));
      }),
      { numRuns: 60 },
    );
  });

  it('of many fragments are answered in fragments', () => {
    const body = echo(GATEWAY_IP, pattern(4001));
    for (let at = 0; at < body.length; at += 1480) {
      const more = at + 1480 < body.length ? 0x2000 : 0;
      const fragment = (at / 8) | more;
      guest.send({
        destination: GATEWAY_IP,
        protocol: ICMP,
        body: body.subarray(at, at + 1480),
        fragment,
        identification: 9,
      });
    }
    const whole = Buffer.concat(answers().map((one) => one.body));
    expect(naiveChecksum(whole)).toBe(0);
    expect(whole[0]).toBe(0);
    expect(whole.subarray(4)).toEqual(body.subarray(4));
  });

  it('over IPv6, too, where a single fragment is a whole packet (RFC 6946)', () => {
    const send = (body: Uint8Array, fragment: number): void =>
      guest.send({
        ...{ source: GUEST_IP6, destination: GATEWAY_IP6, protocol: ICMPV6, identification: 9 },
        ...{ body, fragment },
      });
    const body = echo(GATEWAY_IP6, pattern(4001));
    send(body.subarray(0, 1400), 1);
    send(echo(GATEWAY_IP6, pattern(20)), 0);
    expect(answers().map((one) => one.body.length)).toEqual([28]);
    send(body.subarray(2800), 2800);
    expect(answers()).toEqual([]);
    send(body.subarray(1400, 2800), 1401);
    const whole = Buffer.concat(answers().map((one) => one.body));
    expect([whole[0], whole.length]).toEqual([129, body.length]);
    expect(whole.subarray(4)).toEqual(body.subarray(4));
  });

  it('in a fragment of a fragment, or in half a fragment header, are dropped', () => {
    const inner = Buffer.concat([Buffer.from([ICMPV6, 0, 0, 0, 0, 0, 0, 9]), echo(GATEWAY_IP6, pattern(20))]);
    for (const [protocol, body, fragment] of [
      [44, inner, 0],
      [44, inner.subarray(0, 7), undefined],
    ] as const) {
      const fields = { source: GUEST_IP6, destination: GATEWAY_IP6, protocol, body };
      guest.send(fragment === undefined ? fields : { ...fields, fragment });
    }
    expect(answers()).toEqual([]);
    expect(network.gateway.drops.malformed).toBe(2);
  });

  it('that are broken are counted and dropped', () => {
    const good = echo(GATEWAY_IP, pattern(10));
    const bad = Buffer.from(good);
    bad[9]! ^= 1;
    guest.send({ destination: GATEWAY_IP, protocol: ICMP, body: bad });
    guest.send({ destination: GATEWAY_IP, protocol: ICMP, body: good.subarray(0, 7) });
    guest.send({ source: GUEST_IP6, destination: GATEWAY_IP6, protocol: ICMPV6, body: bad });
    expect(answers()).toEqual([]);
    expect(network.gateway.drops).toMatchObject({ checksum: 2, malformed: 1 });
  });
});

describe('neighbour discovery (RFC 4861)', () => {
  const nodeMulticast = 'ff02::1:ff00:1';
  function solicit(
    target: string,
    source = GUEST_IP6,
    more: { hopLimit?: number; code?: number; cut?: number } = {},
  ): void {
    const rest = Buffer.concat([Buffer.alloc(4), addressBytes(target), Buffer.from([1, 1]), macBytes(GUEST_MAC)]);
    const body = icmpBytes(source, nodeMulticast, 135, more.code ?? 0, rest.subarray(0, more.cut));
    const packet = ipPacket({
      source,
      destination: nodeMulticast,
      protocol: ICMPV6,
      body,
      hopLimit: more.hopLimit ?? 255,
    });
    guest.link.inject(ethernetFrame('33:33:ff:00:00:01', GUEST_MAC, 0x86dd, packet));
  }

  it.each([GATEWAY_IP6, HOST_IP6, LINK_LOCAL])('tells where %s is', (target) => {
    solicit(target);
    const [answer] = answers();
    expect(answer).toMatchObject({ source: target, destination: GUEST_IP6, hopLimit: 255, destinationMac: GUEST_MAC });
    expect(answer!.body.subarray(0, 2).toString('hex')).toBe('8800');
    expect(answer!.body.subarray(4).toString('hex')).toBe(
      Buffer.concat([
        Buffer.from('e0000000', 'hex'),
        addressBytes(target),
        Buffer.from([2, 1]),
        macBytes(GATEWAY_MAC),
      ]).toString('hex'),
    );
  });

  it('tells a guest that tries our address for itself, by way of everybody', () => {
    solicit(GATEWAY_IP6, '::');
    const [answer] = answers();
    expect(answer).toMatchObject({ destination: 'ff02::1' });
    expect(answer!.body.readUInt32BE(4)).toBe(0xa000_0000);
  });

  it('is silent about others, and to messages that come from elsewhere or are too short', () => {
    solicit('fd00:6879:706b:6974::77');
    solicit(GATEWAY_IP6, GUEST_IP6, { hopLimit: 254 });
    solicit(GATEWAY_IP6, GUEST_IP6, { code: 1 });
    solicit(GATEWAY_IP6, GUEST_IP6, { cut: 19 });
    expect(answers()).toEqual([]);
  });

  function solicitRouter(source: string): Packet | undefined {
    const body = icmpBytes(source, 'ff02::2', 133, 0, Buffer.alloc(4));
    const packet = ipPacket({ source, destination: 'ff02::2', protocol: ICMPV6, body, hopLimit: 255 });
    guest.link.inject(ethernetFrame('33:33:00:00:00:02', GUEST_MAC, 0x86dd, packet));
    return answers()[0];
  }

  it('advertises the router, the prefix, the MTU and the name server', () => {
    const answer = solicitRouter('fe80::50:ff:fe00:1');
    expect(answer).toMatchObject({ source: LINK_LOCAL, destination: 'fe80::50:ff:fe00:1', hopLimit: 255 });
    const prefix = addressBytes('fd00:6879:706b:6974::').toString('hex');
    expect(answer!.body.subarray(4).toString('hex')).toBe(
      [
        '40000708', // hop limit 64, no DHCPv6, 1800 s
        '0000000000000000',
        `0101${macBytes(GATEWAY_MAC).toString('hex')}`,
        '05010000000005dc',
        `030440c0000151800001518000000000${prefix}`,
        `1903000000015180${addressBytes(GATEWAY_IP6).toString('hex')}`,
      ].join(''),
    );
  });

  it('answers a guest without an address by way of everybody, and is no way out where the host has none', () => {
    expect(solicitRouter('::')).toMatchObject({ destination: 'ff02::1' });
    guest = new FakeGuest(openNetwork({ ipv6Uplink: false }));
    expect(solicitRouter('fe80::1')!.body.readUInt16BE(6)).toBe(0);
  });
});

describe('datagrams to the gateway', () => {
  const datagram = (to: string, port: number, payload: Uint8Array = pattern(20)): Buffer =>
    udpBytes(to.includes(':') ? GUEST_IP6 : GUEST_IP, to, 4000, port, payload);

  it.each([
    [GATEWAY_IP, GUEST_IP, ICMP, '0303', 'its port is closed'],
    [GATEWAY_IP6, GUEST_IP6, ICMPV6, '0104', 'its port is closed'],
    ['192.168.65.77', GUEST_IP, ICMP, '0301', 'nobody is there'],
    ['fd00:6879:706b:6974::77', GUEST_IP6, ICMPV6, '0103', 'nobody is there'],
    ['169.254.169.254', GUEST_IP, ICMP, '0301', 'nobody is there'],
  ])('%s: %s is told by %d/%s that %s', (to, source, protocol, typeAndCode) => {
    const body = datagram(to, 9);
    guest.send({ source, destination: to, protocol: UDP, body });
    const [answer] = answers();
    expect(answer).toMatchObject({ source: to, destination: source, protocol });
    expect(answer!.body.subarray(0, 2).toString('hex')).toBe(typeAndCode);
    // The packet that it is about, from its IP header on.
    expect(answer!.body.subarray(8)).toEqual(
      guest.frame({ source, destination: to, protocol: UDP, body }).subarray(14, 14 + 64),
    );
  });

  it('with lengths or sums that are wrong are dropped', () => {
    const short = datagram(GATEWAY_IP, 9);
    short.writeUInt16BE(7, 4);
    const long = datagram(GATEWAY_IP, 9);
    long.writeUInt16BE(long.length + 1, 4);
    const bad = datagram(GATEWAY_IP, 9);
    bad[8]! ^= 1;
    const tiny = Buffer.alloc(7);
    for (const body of [short, long, bad, tiny]) guest.send({ destination: GATEWAY_IP, protocol: UDP, body });
    const unsummed6 = datagram(GATEWAY_IP6, 9);
    unsummed6.writeUInt16BE(0, 6);
    guest.send({ source: GUEST_IP6, destination: GATEWAY_IP6, protocol: UDP, body: unsummed6 });
    expect(answers()).toEqual([]);
    expect(network.gateway.drops).toMatchObject({ malformed: 3, checksum: 2 });
  });

  it('without a checksum are fine over IPv4', () => {
    const body = datagram(GATEWAY_IP, 9);
    body.writeUInt16BE(0, 6);
    guest.send({ destination: GATEWAY_IP, protocol: UDP, body });
    expect(answers()).toHaveLength(1);
  });
});

describe('packets that are none', () => {
  it.each([
    ['empty', ''],
    ['a short header', '45000013'],
    ['another version', '65000014000000004001000000000000c0a84101'],
    ['a header of less than 20 bytes', '4400001400000000400100000000000000000000'],
    ['a header longer than the packet', '4f00001400000000400100000000000000000000'],
    ['a length beyond the frame', '450000ff00000000400100000000000000000000'],
    ['a length below the header', '4500001300000000400100000000000000000000'],
  ])('IPv4: %s', (_name, bytes) => {
    guest.link.inject(ethernetFrame(GATEWAY_MAC, GUEST_MAC, 0x0800, Buffer.from(bytes, 'hex')));
    expect([answers(), network.gateway.drops.malformed]).toEqual([[], 1]);
  });

  it('IPv4 with a header whose sum is wrong', () => {
    const frame = guest.frame({
      destination: GATEWAY_IP,
      protocol: UDP,
      body: udpBytes(GUEST_IP, GATEWAY_IP, 1, 9, pattern(9)),
    });
    frame[22]! ^= 1;
    guest.link.inject(frame);
    expect([answers(), network.gateway.drops.checksum]).toEqual([[], 1]);
  });

  it('IPv6 that is too short, and IPv4 addresses in IPv6 clothes', () => {
    guest.link.inject(ethernetFrame(GATEWAY_MAC, GUEST_MAC, 0x86dd, Buffer.alloc(39, 0x60)));
    guest.link.inject(ethernetFrame(GATEWAY_MAC, GUEST_MAC, 0x86dd, Buffer.alloc(40, 0x60)));
    expect(network.gateway.drops.malformed).toBe(2);
    for (const [source, destination] of [
      ['::ffff:c0a8:4163', GATEWAY_IP6],
      [GUEST_IP6, '::ffff:c0a8:4101'],
      ['::ffff:c0a8:4163', '::ffff:c0a8:4101'],
    ] as const) {
      const body = udpBytes(source, destination, 4000, 9, pattern(20));
      guest.send({ source, destination, protocol: UDP, body });
    }
    expect(answers()).toEqual([]);
    expect(network.gateway.drops.malformed).toBe(5);
    expect(network.gateway.neighbours.find({ w0: 0, w1: 0, w2: 0xffff, w3: 0xc0a8_4163 | 0 })).toBeUndefined();
  });

  it('of protocols that nobody knows', () => {
    guest.send({ destination: GATEWAY_IP, protocol: 132, body: pattern(20) });
    guest.link.inject(ethernetFrame(GATEWAY_MAC, GUEST_MAC, 0x88cc, pattern(50)));
    expect([answers(), network.gateway.drops.protocol]).toEqual([[], 2]);
  });

  it('of IPv6 in a network without it', () => {
    const quiet = openNetwork({ plan: { ...network.plan, ipv6: undefined } });
    guest = new FakeGuest(quiet);
    guest.send({
      source: GUEST_IP6,
      destination: GATEWAY_IP6,
      protocol: ICMPV6,
      body: icmpBytes(GUEST_IP6, GATEWAY_IP6, 128, 0, Buffer.alloc(4)),
    });
    expect(answers()).toEqual([]);
  });

  it('and padding behind a packet is none of it', () => {
    const body = icmpBytes(GUEST_IP, GATEWAY_IP, 8, 0, Buffer.alloc(4));
    const frame = guest.frame({ destination: GATEWAY_IP, protocol: ICMP, body });
    guest.link.inject(Buffer.concat([frame, Buffer.alloc(60 - frame.length, 0xff)]));
    expect(answers()[0]!.body).toHaveLength(8);
  });

  it('IPv4 options are skipped', () => {
    const body = icmpBytes(GUEST_IP, GATEWAY_IP, 8, 0, pattern(12));
    guest.send({ destination: GATEWAY_IP, protocol: ICMP, body, options: Buffer.alloc(40, 1) });
    expect(answers()[0]!.body.subarray(4)).toEqual(pattern(12));
  });

  it('of any kind do no harm', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0x0800, 0x86dd, 0x0806),
        fc.constantFrom(0x45, 0x46, 0x60, 0x00),
        fc.constantFrom(1, 6, 17, 58),
        fc.uint8Array({ minLength: 1, maxLength: 120 }),
        (type, first, protocol, bytes) => {
          bytes[0] = first;
          if (bytes.length > 9) bytes[first === 0x60 ? 6 : 9] = protocol;
          if (type === 0x0800 && bytes.length >= 24) {
            // With sound headers, so that what is behind them is looked at,
            // and for addresses of ours only, so that nothing goes anywhere.
            const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
            view.writeUInt16BE(bytes.length, 2);
            addressBytes(GATEWAY_IP).copy(view, 16);
            view.writeUInt16BE(0, 10);
            view.writeUInt16BE(naiveChecksum(view.subarray(0, (first & 15) * 4)), 10);
          }
          if (type === 0x86dd && bytes.length >= 40) bytes.set(addressBytes(GATEWAY_IP6), 24);
          guest.link.inject(ethernetFrame(GATEWAY_MAC, GUEST_MAC, type, bytes));
        },
      ),
      { numRuns: 2000 },
    );
    guest.packets.waiting.length = 0;
    guest.send({
      destination: GATEWAY_IP,
      protocol: ICMP,
      body: icmpBytes(GUEST_IP, GATEWAY_IP, 8, 0, Buffer.alloc(4)),
    });
    expect(answers()).toHaveLength(1);
  });
});
