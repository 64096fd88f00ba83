import type { DnsZone } from '../../../../../engine/net/control/dns-zone';
import { type ControlFixture, type Echo, echo, isFree, startEcho, startForEachTest } from './control-fixture';

let fixture: ControlFixture;
let guest: Echo;
startForEachTest((control, echoServer) => {
  fixture = control;
  guest = echoServer;
});

const TEXT = 'text/plain; charset=utf-8';
const OK = { status: 200, type: undefined, text: '' };
const fails = (status: number, line: string) => ({ status, type: TEXT, text: `${line}\n` });
const post = (what: string, body: unknown) => fixture.ask('POST', `/services/forwarder/${what}`, body);
const all = async () => JSON.parse((await fixture.ask('GET', '/services/forwarder/all')).text) as object[];

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const { port, close } = await startEcho();
  await close();
  return port;
}

test('exposes, lists as it was asked, and takes back', async () => {
  await fixture.start();
  expect(await all()).toEqual([]);
  const local = `127.0.0.1:${await freePort()}`;
  const wanted = { local, remote: `127.0.0.1:${guest.port}` };
  expect(await post('expose', wanted)).toEqual(OK);
  expect(await all()).toEqual([{ ...wanted, protocol: 'tcp' }]);
  const port = Number(local.split(':')[1]);
  expect(await echo({ port }, 'hello')).toBe('hello');
  expect(await post('expose', wanted)).toEqual(fails(500, 'proxy already running'));
  expect(await post('unexpose', { local })).toEqual(OK);
  expect(await isFree(port)).toBe(true);
  expect(await post('unexpose', { local })).toEqual(fails(500, 'proxy not found'));
  expect(await post('expose', wanted)).toEqual(OK);
});

test('a local part without an address is every address', async () => {
  await fixture.start();
  const local = `:${await freePort()}`;
  expect(await post('expose', { local, remote: `127.0.0.1:${guest.port}`, protocol: 'udp' })).toEqual(OK);
  expect(await all()).toEqual([{ local, remote: `127.0.0.1:${guest.port}`, protocol: 'udp' }]);
  expect(fixture.forwarder.list().map(({ spec }) => spec.host)).toEqual([
    { address: '0.0.0.0', port: Number(local.slice(1)) },
  ]);
  expect(await post('unexpose', { local, protocol: 'udp' })).toEqual(OK);
});

test('port 0 is listed as the one it became, and lists are sorted', async () => {
  await fixture.start();
  const remote = `127.0.0.1:${guest.port}`;
  await post('expose', { local: '127.0.0.2:0', remote });
  await post('expose', { local: '127.0.0.1:0', remote });
  expect(await all()).toEqual([
    { local: expect.stringMatching(/^127\.0\.0\.1:[1-9]\d*$/), remote, protocol: 'tcp' },
    { local: expect.stringMatching(/^127\.0\.0\.2:[1-9]\d*$/), remote, protocol: 'tcp' },
  ]);
});

test('forwards unix sockets to ports of the guest', async () => {
  await fixture.start();
  const wanted = { local: `${fixture.folder}/x.sock`, remote: `tcp://127.0.0.1:${guest.port}`, protocol: 'unix' };
  expect(await post('expose', wanted)).toEqual(OK);
  expect(await all()).toEqual([wanted]);
  expect(await echo({ path: wanted.local }, 'hello')).toBe('hello');
  expect(await post('unexpose', { local: wanted.local, protocol: 'unix' })).toEqual(OK);
});

test('forwards of the other interface are seen and closed as well', async () => {
  await fixture.start();
  const port = { proto: 'tcp', out_ip: '127.0.0.1', out_port: await freePort(), in_ip: '127.0.0.1', in_port: 9 };
  await fixture.ask('PUT', '/forwards/expose/port', port);
  const local = `127.0.0.1:${port.out_port}`;
  expect(await all()).toEqual([{ local, remote: '127.0.0.1:9', protocol: 'tcp' }]);
  expect(await post('unexpose', { local })).toEqual(OK);
  expect((await fixture.ask('GET', '/forwards/list')).text).toBe('null\n');
});

test('a guest that leaves its own address out is forwarded to', async () => {
  await fixture.start({}, '127.0.0.1');
  const local = `127.0.0.1:${await freePort()}`;
  expect(await post('expose', { local, remote: `:${guest.port}` })).toEqual(OK);
  expect(await all()).toEqual([{ local, remote: `127.0.0.1:${guest.port}`, protocol: 'tcp' }]);
});

test.each([
  [{ local: ':1', remote: ':80' }, 500, /missing the guest's IP/],
  [{ local: ':1', remote: 'guest:80' }, 500, /invalid remote addr/],
  [{ local: ':1', remote: '192.168.127.2' }, 500, /missing port in address/],
  [{ local: ':1', remote: '192.168.127.2:0' }, 500, /invalid remote addr/],
  [{ local: ':1', remote: '192.168.127.2:http' }, 500, /invalid port/],
  [{ local: '::1:80', remote: '192.168.127.2:80' }, 500, /IPv6 needs brackets/],
  [{ local: 'example.org:80', remote: '192.168.127.2:80' }, 500, /no such host/],
  [{ local: ':1', remote: '192.168.127.2:80', protocol: 'sctp' }, 500, /unknown protocol sctp/],
  [{ local: '//./pipe/x', remote: 'tcp://192.168.127.2:80', protocol: 'npipe' }, 500, /only for Windows/],
  [
    { local: '/x', remote: 'ssh-tunnel://core@192.168.127.2/run/x', protocol: 'unix' },
    500,
    /is not implemented: ssh-tunnel/,
  ],
  [{ local: 'x', remote: 'tcp://192.168.127.2:80', protocol: 'unix' }, 500, /must be absolute/],
  [{ local: '192.0.2.1:80', remote: '192.168.127.2:80' }, 500, /cannot assign requested address/],
  ['', 400, /JSON/],
  ['{', 400, /JSON/],
  [{ local: 5 }, 400, /local must be a string/],
  [{ local: 'x'.repeat(2000) }, 400, /local is longer/],
])('%j is refused', async (body, status, words) => {
  await fixture.start();
  expect(await post('expose', body)).toEqual({ status, type: TEXT, text: expect.stringMatching(words) });
});

test.each(['forwarder/expose', 'forwarder/unexpose', 'dns/add'])('%s is for POST only', async (what) => {
  await fixture.start({ dns: { list: () => [], add: () => {} } });
  expect(await fixture.ask('GET', `/services/${what}`)).toEqual(fails(400, 'post only'));
});

test('shows leases, counters and the table of addresses', async () => {
  const leases = { '192.168.127.2': '5a:94:ef:e4:0c:ee' };
  await fixture.start({
    leases: () => leases,
    stats: () => ({ BytesSent: 5 }),
    cam: () => ({ '5a:94:ef:e4:0c:ee': '1' }),
  });
  const show = async (url: string) => JSON.parse((await fixture.ask('GET', url)).text) as unknown;
  expect(await show('/leases')).toEqual(leases);
  expect(await show('/services/dhcp/leases')).toEqual(leases);
  expect(await show('/stats')).toEqual({ BytesSent: 5 });
  expect(await show('/cam')).toEqual({ '5a:94:ef:e4:0c:ee': '1' });
});

test('what the network does not have is said so', async () => {
  await fixture.start();
  for (const url of ['/leases', '/services/dhcp/leases', '/services/dns/all', '/stats', '/cam', '/services/dns/add']) {
    expect(await fixture.ask('POST', url, '{}')).toMatchObject({
      status: 501,
      text: expect.stringContaining('has no'),
    });
  }
  expect(await fixture.ask('GET', '/nope')).toEqual(fails(404, '404 page not found'));
});

test('zones are listed in the form in which they are added', async () => {
  const zones: DnsZone[] = [];
  await fixture.start({ dns: { list: () => zones, add: (zone) => zones.push(zone) } });
  const zone = {
    Name: 'test.internal.',
    Records: [
      { Name: 'gateway', IP: '192.168.127.1' },
      { Name: '', IP: '192.168.127.9', Regexp: 'a.*' },
    ],
    DefaultIP: '192.168.127.254',
  };
  expect(await fixture.ask('POST', '/services/dns/add', zone)).toEqual(OK);
  expect(await fixture.ask('POST', '/services/dns/add', { name: 'small.', records: null })).toEqual(OK);
  expect(JSON.parse((await fixture.ask('GET', '/services/dns/all')).text)).toEqual([
    zone,
    { Name: 'small.', Records: [], DefaultIP: '' },
  ]);
  for (const wrong of [
    { Records: {} },
    { Records: [5] },
    { DefaultIP: 'x' },
    { Name: 'x'.repeat(256) },
    { Records: Array(1025).fill({}) },
  ]) {
    expect(await fixture.ask('POST', '/services/dns/add', wrong)).toMatchObject({ status: 400 });
  }
  expect(zones).toHaveLength(2);
});

test('a part of the network that fails does not take the server with it', async () => {
  await fixture.start({
    stats: () => {
      throw new TypeError('x is not a function');
    },
  });
  expect(await fixture.ask('GET', '/stats')).toEqual(fails(500, 'the request failed for an unexpected reason'));
  expect(await all()).toEqual([]);
});
