// The DNS list of VPNKit's tests and gvisor-tap-vsock's, asked with dig by a guest that is Linux itself.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Answer, DecodedPacket } from 'dns-packet';
import { whyNoNamespaces } from '../../support/namespace';
import { describeWith } from '../../support/peers';
import { until } from '../../support/until';
import { ask } from '../../unit/engine/net/control/control-fixture';
import { manyAddresses, RCODES, reply, startUpstream } from '../../unit/engine/net/dns/dns-fixture';
import { GATEWAY, GUEST, HOST, type VpnkitGuest, withVpnkitGuest } from './fixtures/vpnkit-guest';

jest.setTimeout(60_000);

const noDig = spawnSync('dig', ['-v']).error === undefined ? undefined : 'there is no dig here';
const noTap = existsSync('/dev/net/tun') ? undefined : 'there is no /dev/net/tun here';

const RECORDS: readonly Answer[] = [
  { type: 'A', name: 'plain.example', data: '192.0.2.1', ttl: 60 },
  { type: 'AAAA', name: 'plain.example', data: '2001:db8::1', ttl: 60 },
  { type: 'CNAME', name: 'alias.example', data: 'plain.example', ttl: 60 },
  { type: 'MX', name: 'plain.example', data: { preference: 10, exchange: 'mail.example' }, ttl: 60 },
  { type: 'NS', name: 'plain.example', data: 'ns.example', ttl: 60 },
  {
    type: 'SRV',
    name: '_ldap._tcp.example',
    data: { priority: 1, weight: 2, port: 389, target: 'x.example' },
    ttl: 60,
  },
  { type: 'TXT', name: 'plain.example', data: ['v=spf1 -all'], ttl: 60 },
];

function answer(query: DecodedPacket): Buffer {
  const { name = '', type } = query.questions?.[0] ?? {};
  if (name === 'many.example') return manyAddresses(query, 64);
  const known = RECORDS.filter((record) => record.name === name);
  if (known.length === 0) return reply(query, {}, RCODES.NXDOMAIN);
  return reply(query, { answers: known.filter((record) => record.type === type || record.type === 'CNAME') });
}

describeWith('a guest that asks for names', [whyNoNamespaces(), noTap, noDig], () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'hk-dig-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function withNames(use: (guest: VpnkitGuest, asked: readonly string[]) => Promise<void>): Promise<void> {
    const upstream = await startUpstream(answer);
    writeFileSync(path.join(folder, 'dns'), `nameserver 127.0.0.1#${upstream.port}\n`);
    // As Unix writes it, and as Windows does.
    writeFileSync(path.join(folder, 'hosts'), '192.0.2.7 from.file plain.file\n192.0.2.8\tother.file # mine\r\n');
    const words = ['--dns', path.join(folder, 'dns'), '--hosts', path.join(folder, 'hosts')];
    await withVpnkitGuest([...words, '--services', path.join(folder, 'control')], (guest) =>
      use(guest, upstream.asked),
    );
  }

  const dig = async (guest: VpnkitGuest, ...words: readonly string[]): Promise<string> =>
    (await guest.ask('dig', `@${GATEWAY}`, '+tries=1', '+time=5', ...words)).trim();
  const short = async (guest: VpnkitGuest, ...words: readonly string[]): Promise<readonly string[]> =>
    (await dig(guest, '+short', ...words)).split('\n').filter((line) => line !== '');
  const status = (text: string): string | undefined => /status: (\w+)/.exec(text)?.[1];

  test('gets records of every type, over UDP and TCP', async () => {
    await withNames(async (guest) => {
      for (const transport of ['+notcp', '+tcp']) {
        expect(await short(guest, transport, 'plain.example', 'A')).toEqual(['192.0.2.1']);
        expect(await short(guest, transport, 'plain.example', 'AAAA')).toEqual(['2001:db8::1']);
        expect(await short(guest, transport, 'alias.example', 'CNAME')).toEqual(['plain.example.']);
        expect(await short(guest, transport, 'plain.example', 'MX')).toEqual(['10 mail.example.']);
        expect(await short(guest, transport, 'plain.example', 'NS')).toEqual(['ns.example.']);
        expect(await short(guest, transport, '_ldap._tcp.example', 'SRV')).toEqual(['1 2 389 x.example.']);
        expect(await short(guest, transport, 'plain.example', 'TXT')).toEqual(['"v=spf1 -all"']);
      }
    });
  });

  test('gets our own names and those of the hosts file without a server, and hears what there is not', async () => {
    await withNames(async (guest, asked) => {
      expect(await short(guest, 'host.internal', 'A')).toEqual([HOST]);
      expect(await short(guest, 'gateway.internal', 'A')).toEqual([GATEWAY]);
      expect(await short(guest, 'vm.internal', 'A')).toEqual([GUEST]);
      expect(await short(guest, 'from.file', 'A')).toEqual(['192.0.2.7']);
      expect(await short(guest, 'other.file', 'A')).toEqual(['192.0.2.8']);
      expect(await short(guest, '-x', '192.0.2.7')).toEqual(expect.arrayContaining(['from.file.']));
      expect(asked).toEqual([]);
      const noData = await dig(guest, 'alias.example', 'plain.example', 'SRV');
      expect([status(noData), noData.includes('ANSWER: 0') || noData.includes('ANSWER: 1')]).toEqual(['NOERROR', true]);
      expect(status(await dig(guest, 'nowhere.example', 'A'))).toBe('NXDOMAIN');
      expect(status(await dig(guest, 'nowhere.example', 'MX'))).toBe('NXDOMAIN');
    });
  });

  test('gets of 64 answers what 512 bytes hold and the word that it is cut, or all when it can take them', async () => {
    await withNames(async (guest) => {
      const cut = await dig(guest, '+noedns', '+ignore', 'many.example', 'A');
      expect(cut).toMatch(/flags:[^;]* tc[ ;]/);
      // 12 of the header, 18 of the question, 16 each. VPNKit's name is longer, so that its test counts 29.
      expect(cut).toContain('ANSWER: 30');
      expect(await short(guest, '+noedns', 'many.example', 'A')).toHaveLength(64);
      const whole = await dig(guest, '+bufsize=4096', '+ignore', 'many.example', 'A');
      expect(whole).toContain('ANSWER: 64');
      expect(whole).not.toMatch(/flags:[^;]* tc[ ;]/);
    });
  });

  test('sees a hosts file that changes, and zones that are added while it runs, the newest first', async () => {
    await withNames(async (guest) => {
      const control = path.join(folder, 'control');
      writeFileSync(path.join(folder, 'hosts'), '192.0.2.99 plain.example\n');
      await until('the new hosts file', async () => (await short(guest, 'plain.example', 'A'))[0] === '192.0.2.99');
      const add = (IP: string): Promise<{ status: number }> =>
        ask(control, 'POST', '/services/dns/add', {
          Name: 'dynamic.internal.',
          Records: [
            { Name: 'a', IP },
            { Name: '', IP: '10.0.0.9', Regexp: '^b.*' },
          ],
          DefaultIP: '10.0.0.8',
        });
      for (const address of ['10.0.0.1', '10.0.0.2']) {
        expect((await add(address)).status).toBe(200);
        expect(await short(guest, 'a.dynamic.internal', 'A')).toEqual([address]);
      }
      expect(await short(guest, 'beta.dynamic.internal', 'A')).toEqual(['10.0.0.9']);
      expect(await short(guest, 'else.dynamic.internal', 'A')).toEqual(['10.0.0.8']);
    });
  });
});
