import { once } from 'node:events';
import { Socket } from 'node:net';
import { formatAddress, parseAddress } from '../../../../../engine/net/wire/ip-address';
import { sockets } from '../../../../../native/sockets';
import { FakeGuest, GATEWAY_IP, GUEST_IP, GUEST_IP6, HOST_IP, HOST_IP6, synOptions } from '../fixtures/fake-guest';
import { ACK, FIN, PSH, RST, SYN } from '../fixtures/packets';
import { closeAll, closedPort, listenOnHost, openNetwork, pattern, readAll } from '../fixtures/test-network';

afterEach(closeAll);

const optionsOf = (options: Buffer): { mss: number; scale: number } => ({
  mss: options.readUInt16BE(2),
  scale: options.length > 4 ? options[7]! : -1,
});

describe('a guest connects', () => {
  it.each([
    ['both options', synOptions(1460, 7), { mss: 1460, scale: 7 }],
    ['no options', Buffer.alloc(0), { mss: 1460, scale: -1 }],
    ['a scale of zero', synOptions(1460, 0), { mss: 1460, scale: 7 }],
    ['only an MSS', synOptions(536, undefined), { mss: 1460, scale: -1 }],
    ['broken options', Buffer.from([2, 0, 3, 3]), { mss: 1460, scale: -1 }],
    ['options that end behind the header', Buffer.from([1, 1, 1, 3]), { mss: 1460, scale: -1 }],
  ])('with %s', async (_name, options, answered) => {
    const network = openNetwork();
    const server = await listenOnHost();
    const guest = new FakeGuest(network).tcp(4000, server.port);
    const answer = await guest.open(options);
    expect(answer).toMatchObject({ flags: SYN | ACK, acknowledged: 1001, window: 0xffff });
    expect(optionsOf(answer.options)).toEqual(answered);
    const host = await server.connections.next();
    guest.write(Buffer.from('hello'));
    const [heard] = (await once(host, 'data')) as [Buffer];
    expect(heard.toString()).toBe('hello');
    host.write('hi');
    const said = await guest.segments.next(({ payload }) => payload.length > 0);
    expect([said.payload.toString(), said.flags, said.acknowledged]).toEqual(['hi', ACK | PSH, 1006]);
  });

  it('over IPv6', async () => {
    const network = openNetwork();
    const server = await listenOnHost();
    server.server.close();
    const on6 = await new Promise<number>((resolve) => {
      server.server.listen(0, '::1', () => resolve((server.server.address() as { port: number }).port));
    });
    const guest = new FakeGuest(network, GUEST_IP6).tcp(4000, on6, HOST_IP6);
    const answer = await guest.open();
    expect(optionsOf(answer.options)).toEqual({ mss: 1440, scale: 7 });
    (await server.connections.next()).end(pattern(10_000));
    expect(await guest.receive(10_000)).toEqual(pattern(10_000));
  });

  it('asks again while the host still connects and when the SYN-ACK got lost, and gets the same answer', async () => {
    const network = openNetwork();
    const server = await listenOnHost();
    const guest = new FakeGuest(network).tcp(4000, server.port);
    guest.guest.link.inject(guest.frame(SYN), guest.frame(SYN));
    const first = await guest.segments.next();
    guest.send(SYN);
    const second = await guest.segments.next();
    expect(second).toEqual(first);
    guest.next++;
    guest.expected = (first.sequence + 1) >>> 0;
    guest.ack();
    guest.write(Buffer.from('x'));
    await once(await server.connections.next(), 'data');
    expect(network.tcp.statistics).toMatchObject({ connections: 1, opened: 1 });
  });

  it('to a port where nobody listens and is refused', async () => {
    const network = openNetwork();
    const guest = new FakeGuest(network).tcp(4000, await closedPort());
    guest.send(SYN);
    expect(await guest.segments.next()).toMatchObject({ flags: RST | ACK, sequence: 0, acknowledged: 1001, window: 0 });
    expect(network.tcp.statistics).toMatchObject({ connections: 0, memoryBytes: 0 });
  });

  it.each([
    ['a port of the gateway without a service', GATEWAY_IP, 'all', RST | ACK],
    ['an address of its own network', '192.168.65.77', 'all', RST | ACK],
    ["the host's loopback, which is closed", HOST_IP, 'none', RST | ACK],
    ['the metadata service of a cloud', '169.254.169.254', 'all', RST | ACK],
  ] as const)('to %s and is refused', async (_name, remote, hostAccess, flags) => {
    const network = openNetwork({ hostAccess });
    const guest = new FakeGuest(network).tcp(4000, 80, remote);
    guest.send(SYN);
    expect((await guest.segments.next()).flags).toBe(flags);
    expect(network.tcp.statistics).toMatchObject({ connections: 0, refused: 1 });
  });

  it.each(['127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '240.0.0.1'])(
    'to %s and hears nothing',
    (remote) => {
      const network = openNetwork();
      const guest = new FakeGuest(network);
      guest.tcp(4000, 80, remote).send(SYN);
      expect(guest.link.sentFrames).toBe(0);
      expect(network.tcp.statistics.connections).toBe(0);
    },
  );

  it('once more than the network takes and is refused', async () => {
    const network = openNetwork({ maxConnections: 2 });
    const server = await listenOnHost();
    const guest = new FakeGuest(network);
    await guest.tcp(4000, server.port).open();
    await guest.tcp(4001, server.port).open();
    const third = guest.tcp(4002, server.port);
    third.send(SYN);
    expect((await third.segments.next()).flags).toBe(RST | ACK);
  });

  it('and takes it back while the host connects', async () => {
    const network = openNetwork();
    const server = await listenOnHost();
    const guest = new FakeGuest(network).tcp(4000, server.port);
    guest.guest.link.inject(guest.frame(SYN), guest.frame(RST, { sequence: 1001 }));
    expect(network.tcp.statistics.connections).toBe(0);
  });

  it('to a service of the gateway', async () => {
    const asked: unknown[] = [];
    const echo = (stream: Socket, flow: unknown): void => {
      asked.push(flow);
      stream.pipe(stream);
    };
    const network = openNetwork({ services: { streams: new Map([[7, echo]]), datagrams: new Map() } });
    const guest = new FakeGuest(network).tcp(4000, 7, GATEWAY_IP);
    await guest.open();
    guest.write(Buffer.from('echo'));
    const segment = await guest.segments.next(({ payload }) => payload.length > 0);
    expect(guest.accept(segment).toString()).toBe('echo');
    guest.sendFin();
    await guest.segments.next(({ flags }) => (flags & FIN) !== 0);
    expect(asked).toEqual([
      { source: { address: GUEST_IP, port: 4000 }, destination: { address: GATEWAY_IP, port: 7 } },
    ]);
  });

  it('to a service that fails and is refused, with no descriptor lost', async () => {
    const ended: Promise<unknown>[] = [];
    const broken = (stream: Socket): void => {
      ended.push(once(stream, 'close'));
      throw new Error('broken');
    };
    const network = openNetwork({ services: { streams: new Map([[7, broken]]), datagrams: new Map() } });
    const guest = new FakeGuest(network).tcp(4000, 7, GATEWAY_IP);
    guest.send(SYN);
    expect((await guest.segments.next()).flags).toBe(RST | ACK);
    await Promise.all(ended);
  });

  it('with the ports of a connection that just ended', async () => {
    const network = openNetwork();
    const server = await listenOnHost();
    const guest = new FakeGuest(network).tcp(4000, server.port);
    await guest.open();
    (await server.connections.next()).end();
    guest.accept(await guest.segments.next(({ flags }) => (flags & FIN) !== 0));
    guest.sendFin();
    await guest.segments.next(({ acknowledged }) => acknowledged === guest.next);
    expect(network.tcp.statistics.connections).toBe(1);
    guest.next += 100_000;
    await guest.open();
    (await server.connections.next()).write('again');
    await guest.segments.next(({ payload }) => payload.toString() === 'again');
  });
});

describe('segments of no connection', () => {
  it('are reset, except for resets', async () => {
    const guest = new FakeGuest(openNetwork()).tcp(4000, 80);
    guest.send(ACK, { acknowledged: 777 });
    expect(await guest.segments.next()).toMatchObject({ flags: RST, sequence: 777 });
    guest.send(FIN, { payload: Buffer.from('abc') });
    expect(await guest.segments.next()).toMatchObject({ flags: RST | ACK, sequence: 0, acknowledged: 1004 });
    guest.send(SYN | ACK, { acknowledged: 778 });
    expect(await guest.segments.next()).toMatchObject({ flags: RST, sequence: 778 });
    guest.send(RST | ACK);
    guest.send(RST);
    expect(guest.segments.waiting).toEqual([]);
  });

  it('are dropped when they are broken', () => {
    const network = openNetwork();
    const guest = new FakeGuest(network).tcp(4000, 80);
    const wrongSum = guest.frame(SYN);
    wrongSum[14 + 20 + 16]! ^= 1;
    const shortHeader = guest.frame(SYN);
    shortHeader[14 + 20 + 12] = 0x40;
    const longHeader = guest.frame(SYN);
    longHeader[14 + 20 + 12] = 0xf0;
    guest.guest.link.inject(wrongSum, shortHeader, longHeader);
    expect(guest.guest.link.sentFrames).toBe(0);
  });
});

describe('the host connects to a guest', () => {
  /** A connected pair: the client's end as a stream, the network's as a descriptor. */
  function pair(): [Socket, number] {
    const [ours, theirs] = sockets.pair();
    return [new Socket({ fd: theirs, allowHalfOpen: true }), ours];
  }
  const address = (text: string) => parseAddress(text)!;

  it('by its address, as from the alias of the host', async () => {
    const network = openNetwork();
    const guest = new FakeGuest(network);
    guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
    const tcp = guest.tcp(22, 5555);
    const [client, fd] = pair();
    expect(network.connectToGuest(fd, { address: address('127.0.0.1'), port: 5555 }, address(GUEST_IP), 22)).toBe(true);
    const syn = await tcp.segments.next();
    expect([syn.flags, syn.acknowledged, optionsOf(syn.options)]).toEqual([SYN, 0, { mss: 1460, scale: 7 }]);
    tcp.expected = (syn.sequence + 1) >>> 0;
    tcp.send(SYN | ACK, { options: synOptions(1460, 7) });
    tcp.next++;
    expect(await tcp.segments.next()).toMatchObject({ flags: ACK, acknowledged: tcp.next });
    client.end('SSH');
    const said = await tcp.segments.next(({ payload }) => payload.length > 0);
    expect(tcp.accept(said).toString()).toBe('SSH');
    tcp.write(Buffer.from('yes'));
    tcp.sendFin();
    expect((await readAll(client)).toString()).toBe('yes');
  });

  it('and is told no', async () => {
    const network = openNetwork();
    const guest = new FakeGuest(network);
    guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
    const tcp = guest.tcp(22, 5555);
    const [client, fd] = pair();
    client.on('error', () => undefined).resume();
    network.connectToGuest(fd, { address: address('127.0.0.1'), port: 5555 }, address(GUEST_IP), 22);
    const syn = await tcp.segments.next();
    tcp.send(RST | ACK, { acknowledged: syn.sequence });
    expect(network.tcp.statistics.connections).toBe(1);
    tcp.send(RST | ACK, { acknowledged: syn.sequence + 1 });
    expect(network.tcp.statistics.connections).toBe(0);
    await once(client, 'end');
  });

  it('whose old connection of the same ports is in the way', async () => {
    const network = openNetwork();
    const guest = new FakeGuest(network);
    guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
    const tcp = guest.tcp(22, 5555);
    const [, fd] = pair();
    network.connectToGuest(fd, { address: address('127.0.0.1'), port: 5555 }, address(GUEST_IP), 22);
    await tcp.segments.next();
    // RFC 9293 section 3.5.2: the guest's challenge names what it expects; a reset of that clears it.
    tcp.send(ACK, { acknowledged: 4242 });
    expect(await tcp.segments.next()).toMatchObject({ flags: RST, sequence: 4242 });
    expect(network.tcp.statistics.connections).toBe(1);
  });

  it('and both call at once', async () => {
    const network = openNetwork();
    const guest = new FakeGuest(network);
    guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
    const tcp = guest.tcp(22, 5555);
    const [client, fd] = pair();
    network.connectToGuest(fd, { address: address('127.0.0.1'), port: 5555 }, address(GUEST_IP), 22);
    const syn = await tcp.segments.next();
    tcp.send(SYN);
    tcp.expected = (syn.sequence + 1) >>> 0;
    tcp.send(SYN | ACK);
    tcp.next++;
    client.write('one');
    await tcp.segments.next(({ payload }) => payload.toString() === 'one');
  });

  it('that is not there, or has no port left', () => {
    const network = openNetwork({ maxConnections: 1 });
    const from = { address: address('127.0.0.1'), port: 5555 };
    const [, fd] = pair();
    expect(network.connectToGuest(fd, from, address('192.168.65.9'), 22)).toBe(false);
    new FakeGuest(network).send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
    const [, first] = pair();
    expect(network.connectToGuest(first, from, address(GUEST_IP), 22)).toBe(true);
    expect(network.connectToGuest(fd, from, address(GUEST_IP), 22)).toBe(false);
    sockets.close(fd);
  });

  it.each([
    ['127.0.0.1', GUEST_IP, HOST_IP],
    ['127.64.3.4', GUEST_IP, HOST_IP],
    ['::1', GUEST_IP6, HOST_IP6],
    ['203.0.113.9', GUEST_IP, '203.0.113.9'],
    ['2001:db8::9', GUEST_IP6, '2001:db8::9'],
    // Nothing that the guest could answer: another family, an address of its own network, one that is only ours.
    ['2001:db8::9', GUEST_IP, HOST_IP],
    ['::1', GUEST_IP, HOST_IP],
    ['203.0.113.9', GUEST_IP6, HOST_IP6],
    ['192.168.65.77', GUEST_IP, HOST_IP],
    ['fe80::1', GUEST_IP6, HOST_IP6],
  ])('from %s to %s, which sees %s', (from, to, seen) => {
    expect(formatAddress(openNetwork().asSeenByGuest(address(from), address(to)))).toBe(seen);
  });

  it('gets connections from ports of their own when peers have the same one', async () => {
    const network = openNetwork();
    const guest = new FakeGuest(network);
    guest.send({ destination: GATEWAY_IP, protocol: 99, body: Buffer.alloc(0) });
    const from = { address: address('127.0.0.1'), port: 5555 };
    for (let count = 0; count < 3; count++) {
      const [, fd] = pair();
      expect(network.connectToGuest(fd, from, address(GUEST_IP), 22)).toBe(true);
    }
    const ports = [1, 2, 3].map(() => guest.packets.waiting.shift()!.body.readUInt16BE(0));
    expect(ports[0]).toBe(5555);
    expect(new Set(ports).size).toBe(3);
  });
});

it('resets everything when it closes, and the host learns', async () => {
  const network = openNetwork();
  const server = await listenOnHost();
  const guest = new FakeGuest(network).tcp(4000, server.port);
  await guest.open();
  const host = await server.connections.next();
  const failed = once(host, 'error');
  host.resume();
  network.close();
  const [error] = (await failed) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
  expect(await guest.segments.next(({ flags }) => (flags & RST) !== 0)).toMatchObject({ flags: RST | ACK });
});

it('resets the host when the link of the guest goes', async () => {
  const network = openNetwork();
  const server = await listenOnHost();
  const guest = new FakeGuest(network);
  await guest.tcp(4000, server.port).open();
  const host = await server.connections.next();
  const failed = once(host, 'error');
  host.resume();
  guest.link.close();
  await failed;
  expect(network.tcp.statistics).toMatchObject({ connections: 0, memoryBytes: 0 });
});

it('makes numbers that nobody guesses', async () => {
  const network = openNetwork();
  const server = await listenOnHost();
  const guest = new FakeGuest(network);
  const numbers = new Set<number>();
  for (let port = 4000; port < 4020; port++) numbers.add((await guest.tcp(port, server.port).open()).sequence >>> 16);
  expect(numbers.size).toBeGreaterThan(15);
});
