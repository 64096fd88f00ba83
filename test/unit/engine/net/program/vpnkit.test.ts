import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import path from 'node:path';
import { VPNKIT_FRAMING } from '../../../../../engine/net/link/stream-link';
import { PROJECT } from '../../../../support/peers';
import { type Outcome, run } from '../../../../support/run';
import { temporaryFolder } from '../../../../support/temporary-folder';
import { until } from '../../../../support/until';
import { ask } from '../control/control-fixture';
import { dial, GATEWAY_MAC, join, note, OTHER_UUID, resolve, UUID, type Wire } from '../ethernet/network-fixture';

const PROGRAM = path.join(PROJECT, 'dist/vpnkit.cjs');
const MAC = '025000000001';

let folder: string;
let program: ChildProcess | undefined;
let said: string;
const wires: Wire[] = [];

const at = (name: string): string => path.join(folder, name);

/** Resolves when it is ready. */
async function start(...words: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [PROGRAM, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  program = child;
  said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [ready] = (await Promise.race([once(child.stdout, 'data'), once(child, 'close')])) as [unknown];
  if (String(ready) !== 'ready\n') throw new Error(`it ended with ${String(ready)}: ${said}`);
  return child;
}

async function plug(socket: string): Promise<Wire> {
  const { wire } = await join(socket, UUID);
  wires.push(wire);
  return wire;
}

const fail = (...words: readonly string[]): Promise<Outcome> => run(process.execPath, [PROGRAM, ...words]);

beforeEach(() => {
  folder = temporaryFolder();
});

afterEach(async () => {
  for (const wire of wires.splice(0)) await wire.close();
  if (program?.exitCode === null && program.signalCode === null) {
    program.kill('SIGKILL');
    await once(program, 'close');
  }
});

test('opens everything, is ready once, and leaves nothing behind', async () => {
  const sockets = ['e', 'v', 'q', 'f', 'port', 'services', 'http', 'pcap', 'diagnostics'];
  writeFileSync(at('http.json'), '{}');
  writeFileSync(at('gateway.json'), '[]');
  writeFileSync(at('forwards.json'), '[]');
  const child = await start(
    ...['--ethernet', at('e'), '--listen-vpnkit', `unix://${at('v')}`, '--listen-qemu', `unix://${at('q')}`],
    ...['--listen-vfkit', `unix://${at('f')}`, '--port', at('port'), '--services', at('services')],
    ...['--http', at('http.json'), '--http-api-path', at('http'), '--pcap', at('pcap')],
    ...['--diagnostics', at('diagnostics'), '--gateway-forwards', at('gateway.json')],
    ...['--forwards', at('forwards.json'), '--dhcp-path', at('dhcp.json'), '--dns', at('dns.conf')],
  );
  for (const name of sockets) expect(existsSync(at(name))).toBe(true);
  // Connections of all kinds, which must not hold up the end.
  await plug(at('e'));
  for (const name of ['q', 'port', 'services', 'http', 'pcap']) wires.push(await dial(at(name)));
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(readdirSync(folder).sort()).toEqual(['forwards.json', 'gateway.json', 'http.json']);
});

test('SIGINT ends it, too', async () => {
  const child = await start('--ethernet', at('e'));
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
  expect(readdirSync(folder)).toEqual([]);
});

test('takes over the socket of one that was killed, and refuses that of one that runs', async () => {
  const first = await start('--ethernet', at('e'));
  const refused = await fail('--ethernet', at('e'), '--services', at('services'));
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toBe(
    `vpnkit: cannot listen on ${at('e')}: another program listens there; stop it or take another path\n`,
  );
  expect(existsSync(at('services'))).toBe(false);
  first.kill('SIGKILL');
  await once(first, 'close');
  await start('--ethernet', at('e'));
  expect(await resolve(await plug(at('e')), MAC, '192.168.65.3', '192.168.65.1')).toBe(GATEWAY_MAC);
});

test('a listening socket may be inherited', async () => {
  const listener = createServer();
  listener.listen(at('e'));
  await once(listener, 'listening');
  const { fd } = (listener as unknown as { readonly _handle: { readonly fd: number } })._handle;
  const child = spawn(process.execPath, [PROGRAM, '--ethernet', 'fd:3'], { stdio: ['ignore', 'pipe', 'ignore', fd] });
  program = child;
  await once(child.stdout!, 'data');
  listener.close();
  // Its own name is gone with the listener; the socket is not.
  child.kill('SIGTERM');
  expect(await once(child, 'close')).toEqual([0, null]);
});

test.each([
  [2, ['--bogus']],
  [2, ['--ethernet', '/e', '--introspection', '/i']],
  [1, ['--ethernet', '/missing/folder/e.sock']],
  [1, ['--ethernet', '/tmp/never.sock', '--forwards', '/missing.json']],
  [1, ['--tap', 'no-such-tap-name-fits']],
])('exits with %d for %j', async (code, words) => {
  const outcome = await fail(...words);
  expect(outcome).toMatchObject({ code, stdout: '' });
  expect(outcome.stderr).toMatch(/^vpnkit: cannot|^vpnkit: Unknown/);
});

test('a guest is seen by the control, the capture and the diagnostics', async () => {
  await start(
    ...['--ethernet', at('e'), '--services', at('s'), '--pcap', at('p'), '--diagnostics', at('d')],
    ...['--lowest-ip', '192.168.65.9', '--pcap-snaplen', '1500'],
  );
  const pcap = await dial(at('p'), VPNKIT_FRAMING);
  wires.push(pcap);
  expect((await pcap.read(24)).toString('hex', 16, 24)).toBe('dc05000001000000');
  const guest = await plug(at('e'));
  expect(await resolve(guest, MAC, '192.168.65.9', '192.168.65.1')).toBe(GATEWAY_MAC);

  // A record's header, then the frame: who asked, then who was told.
  const request = await pcap.read(16);
  expect((await pcap.read(request.readUInt32LE(8))).toString('hex', 0, 14)).toBe(`ffffffffffff${MAC}0806`);
  const reply = await pcap.read(16);
  expect((await pcap.read(reply.readUInt32LE(8))).toString('hex', 0, 14)).toBe(`${MAC}${GATEWAY_MAC}0806`);

  expect(JSON.parse((await ask(at('s'), 'GET', '/leases')).text)).toEqual({ '192.168.65.9': '02:50:00:00:00:01' });
  expect(JSON.parse((await ask(at('s'), 'GET', '/cam')).text)).toEqual({ '02:50:00:00:00:01': `vpnkit ${UUID}` });

  const socket = connect({ path: at('d'), allowHalfOpen: true });
  socket.end();
  const parts: Buffer[] = [];
  socket.on('data', (part: Buffer) => void parts.push(part));
  await once(socket, 'close');
  const archive = Buffer.concat(parts).toString('latin1');
  for (const name of ['connections.json', 'guests.json', 'ports.json', 'switch.json', 'statistics.json']) {
    expect(archive).toContain(name);
  }
  expect(archive).toContain('capture/all.pcap');
  expect(archive).toContain('02:50:00:00:00:01');
});

test('forwards are opened within what may be bound, and end with the program', async () => {
  const child = await start(...['--ethernet', at('e'), '--services', at('s'), '--allowed-bind-addresses', '127.0.0.1']);
  await plug(at('e'));
  const port = { proto: 'unix', out_path: at('forward'), in_ip: '192.168.65.3', in_port: 80 };
  expect(await ask(at('s'), 'POST', '/forwards/expose/pipe', port)).toMatchObject({ status: 200 });
  expect(existsSync(at('forward'))).toBe(true);
  const everywhere = { proto: 'tcp', out_ip: '0.0.0.0', out_port: 0, in_ip: '192.168.65.3', in_port: 80 };
  const refused = await ask(at('s'), 'POST', '/forwards/expose/port', everywhere);
  expect(refused).toMatchObject({ status: 400 });
  expect(refused.text).toContain('only 127.0.0.1 is allowed');
  child.kill('SIGTERM');
  await once(child, 'close');
  expect(readdirSync(folder)).toEqual([]);
});

test('a machine may come over the control socket', async () => {
  await start('--ethernet', at('e'), '--services', at('s'));
  const guest = await plug(at('e'));
  const other = await dial(at('s'), VPNKIT_FRAMING);
  wires.push(other);
  other.write(Buffer.from('POST /connect HTTP/1.1\r\nHost: x\r\n\r\n'));
  expect(await resolve(other, '5a94efe40cee', '192.168.65.4', '192.168.65.1')).toBe(GATEWAY_MAC);
  other.send(note(MAC, '5a94efe40cee', 'hello'));
  expect(await guest.receiveUntil((frame) => frame.length < 30)).toEqual(note(MAC, '5a94efe40cee', 'hello'));
});

test('waits without doing anything', async () => {
  const child = await start('--ethernet', at('e'), '--services', at('s'), '--pcap', at('p'), '--diagnostics', at('d'));
  await resolve(await plug(at('e')), MAC, '192.168.65.3', '192.168.65.1');
  // Whatever its start left to do is done.
  await until('its rest', async () => (await switchesDuring(child, 500)) === 0, 15_000);
});

/** How often it was scheduled; not doing anything is the only way to get none. */
async function switchesDuring(child: ChildProcess, milliseconds: number): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const count = async (): Promise<number> => {
    const status = await readFile(`/proc/${child.pid}/status`, 'latin1');
    return Number(/^voluntary_ctxt_switches:\s*(\d+)/m.exec(status)?.[1]);
  };
  const before = await count();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  return (await count()) - before;
}

test('guests find their cards and addresses again after a restart, in whatever order they come', async () => {
  const words = ['--ethernet', at('e'), '--address-book', at('book.json')];
  const cardOf = async (uuid: string): Promise<string> => {
    const { wire, response } = await join(at('e'), uuid);
    wires.push(wire);
    // The MAC in VPNKit's answer, behind its type, MTU and longest packet.
    return response.subarray(5, 11).toString('hex');
  };
  const first = await start(...words);
  const cards = [await cardOf(UUID), await cardOf(OTHER_UUID)];
  expect(cards).toEqual(['025000000001', '025000000002']);
  first.kill('SIGTERM');
  await once(first, 'close');
  await start(...words);
  expect([await cardOf(OTHER_UUID), await cardOf(UUID)]).toEqual([cards[1], cards[0]]);
});
