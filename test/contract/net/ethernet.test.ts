// The program vpnkit against the Go client that VPNKit ships, by the list of VPNKit's own tests.
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { buildPeer, describeWith, PROJECT } from '../../support/peers';
import { temporaryFolder } from '../../support/temporary-folder';

jest.setTimeout(60_000);

const peer = buildPeer('vmnet-client');

/** VPNKit's tests use this one. */
const UUID = 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5';
const OTHER_UUID = '3c9cf29f-0f2b-4c4c-a6f1-70e4b8ab3f1d';
const GATEWAY = '192.168.65.1';
const GATEWAY_MAC = 'f6:16:36:bc:f9:c6';

interface Answer {
  readonly error?: string;
  readonly mac?: string;
  readonly ip?: string;
  readonly mtu?: number;
  readonly max?: number;
}

/** Guests, all in one process of the Go client. */
class Guests {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(socket: string) {
    this.#child = spawn(peer.available ? peer.path : '', [socket]);
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface(this.#child.stdout);
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async tell(what: string, fields: object): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify({ do: what, ...fields })}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the client has ended');
    return JSON.parse(value) as Answer;
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'close');
    this.#child.stdin.end();
    await ended;
    this.#lines.close();
  }
}

describeWith('the Ethernet socket', [peer.available ? undefined : peer.reason], () => {
  let folder: string;
  let socket: string;
  let program: ChildProcess;
  let guests: Guests;

  beforeEach(async () => {
    folder = temporaryFolder();
    socket = path.join(folder, 'ethernet.sock');
    const child = spawn(process.execPath, [path.join(PROJECT, 'dist/vpnkit.cjs'), '--ethernet', socket], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    program = child;
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    expect(said.toString()).toBe('ready\n');
    guests = new Guests(socket);
  });

  afterEach(async () => {
    await guests.stop();
    const ended = once(program, 'close');
    program.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(existsSync(socket)).toBe(false);
  });

  test('gives a guest an interface, and by DHCP its address', async () => {
    expect(await guests.tell('connect', { guest: 'a', uuid: UUID })).toEqual({
      mac: '02:50:00:00:00:01',
      ip: '192.168.65.3',
      mtu: 1500,
      max: 1550,
    });
  });

  test('answers ARP for the gateway and its ping', async () => {
    await guests.tell('connect', { guest: 'a', uuid: UUID });
    expect(await guests.tell('arp', { guest: 'a', ip: GATEWAY })).toEqual({ mac: GATEWAY_MAC });
    expect(await guests.tell('arp', { guest: 'a', ip: '192.168.65.2' })).toEqual({ mac: GATEWAY_MAC });
    expect(await guests.tell('ping', { guest: 'a', ip: GATEWAY })).toEqual({});
  });

  test('honours a preferred address, which DHCP offers as well', async () => {
    const preferred = { uuid: UUID, ip: '192.168.65.250' };
    const first = await guests.tell('connect', { guest: 'a', ...preferred });
    expect(first).toMatchObject({ ip: '192.168.65.250' });
    expect(await guests.tell('ping', { guest: 'a', ip: GATEWAY })).toEqual({});
    await guests.tell('close', { guest: 'a' });
    expect(await guests.tell('connect', { guest: 'again', uuid: UUID })).toEqual(first);
  });

  test('refuses a preferred address that is taken, the guest has another, or is out of range, in VPNKit’s words', async () => {
    await guests.tell('connect', { guest: 'a', uuid: UUID, ip: '192.168.65.250' });
    const connect = (uuid: string, ip: string): Promise<Answer> => guests.tell('connect', { guest: 'b', uuid, ip });
    expect(await connect(OTHER_UUID, '192.168.65.250')).toEqual({
      error: 'Preferred IP address 192.168.65.250 already used.',
    });
    expect(await connect(UUID, '192.168.65.251')).toEqual({
      error: 'UUID already assigned to a different IP than the IP requested by the client',
    });
    expect(await connect(OTHER_UUID, '10.0.0.3')).toEqual({ error: 'Preferred IP address out of range.' });
    expect(await connect(OTHER_UUID, '192.168.65.251')).toMatchObject({ ip: '192.168.65.251' });
  });

  test('gives the same card and address to a guest that comes back', async () => {
    const first = await guests.tell('connect', { guest: 'a', uuid: UUID });
    await guests.tell('connect', { guest: 'b', uuid: OTHER_UUID });
    await guests.tell('close', { guest: 'a' });
    expect(await guests.tell('connect', { guest: 'a', uuid: UUID })).toEqual(first);
    expect(await guests.tell('ping', { guest: 'a', ip: GATEWAY })).toEqual({});
  });

  test.each([2, 10])('bridges %d guests, each with all others', async (count) => {
    const names = Array.from({ length: count }, (_, index) => `guest${index}`);
    const addresses: string[] = [];
    for (const [index, guest] of names.entries()) {
      const uuid = `${UUID.slice(0, -2)}${index.toString().padStart(2, '0')}`;
      addresses.push((await guests.tell('connect', { guest, uuid })).ip ?? '');
    }
    expect(new Set(addresses).size).toBe(count);
    for (const guest of names) {
      for (const to of names) {
        if (to !== guest) expect(await guests.tell('tell', { guest, to, text: `${guest} to ${to}` })).toEqual({});
      }
      expect(await guests.tell('ping', { guest, ip: GATEWAY })).toEqual({});
    }
  });
});
