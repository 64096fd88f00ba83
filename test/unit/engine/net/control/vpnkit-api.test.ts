import { allowBind } from '../../../../../engine/net/control/allow-bind';
import { countDescriptors } from '../../../../support/descriptors';
import { type ControlFixture, type Echo, echo, isFree, startForEachTest } from './control-fixture';

let fixture: ControlFixture;
let guest: Echo;
startForEachTest((control, echoServer) => {
  fixture = control;
  guest = echoServer;
});

const JSON_TYPE = 'application/json; charset=UTF-8';
const OK = { status: 200, type: undefined, text: '' };
const bad = (value: unknown) => ({ status: 400, type: JSON_TYPE, text: `${JSON.stringify(value)}\n` });
const port = (more: object = {}) => ({
  proto: 'tcp',
  out_ip: '127.0.0.1',
  in_ip: '127.0.0.1',
  in_port: guest.port,
  ...more,
});
const list = async () => JSON.parse((await fixture.ask('GET', '/forwards/list')).text) as { out_port: number }[];

test('an empty list is null', async () => {
  await fixture.start();
  expect(await fixture.ask('GET', '/forwards/list')).toEqual({ status: 200, type: JSON_TYPE, text: 'null\n' });
});

test.each(['PUT', 'POST'])(
  '%s exposes a port that carries bytes, and lists it with its real number',
  async (method) => {
    await fixture.start();
    expect(await fixture.ask(method, '/forwards/expose/port', port())).toEqual(OK);
    const [listed] = await list();
    expect(listed).toEqual(port({ out_port: expect.any(Number) }));
    expect(await echo({ port: listed?.out_port ?? 0 }, 'hello')).toBe('hello');
  },
);

test.each(['DELETE', 'POST'])('%s takes back what the list shows, and frees the port', async (method) => {
  await fixture.start();
  await fixture.ask('PUT', '/forwards/expose/port', port());
  await fixture.ask('PUT', '/forwards/expose/port', port({ annotation: 'mine' }));
  const [first, second] = await list();
  expect(await fixture.ask(method, '/forwards/unexpose/port', first)).toEqual(OK);
  expect(await isFree(first?.out_port ?? 0)).toBe(true);
  expect(await list()).toEqual([second]);
  expect(await fixture.ask(method, '/forwards/unexpose/port', first)).toEqual(OK);
});

test('exposing twice is exposing once, also at the same moment', async () => {
  await fixture.start();
  await fixture.ask('PUT', '/forwards/expose/port', port());
  const [first] = await list();
  const again = await Promise.all([1, 2, 3].map(() => fixture.ask('PUT', '/forwards/expose/port', first)));
  expect(again).toEqual([OK, OK, OK]);
  await fixture.ask('DELETE', '/forwards/unexpose/port', first);
  const together = await Promise.all([1, 2, 3].map(() => fixture.ask('PUT', '/forwards/expose/port', first)));
  expect(together).toEqual([OK, OK, OK]);
  expect(await list()).toEqual([first]);
});

test('a port that is taken, or an address that is none of ours, is refused in the words clients look for', async () => {
  await fixture.start();
  await fixture.ask('PUT', '/forwards/expose/port', port());
  const [taken] = await list();
  const other = { ...taken, in_port: 1 };
  expect(await fixture.ask('PUT', '/forwards/expose/port', other)).toEqual(
    bad({ message: `Bind for 127.0.0.1:${taken?.out_port} failed: port is already allocated` }),
  );
  expect(await fixture.ask('PUT', '/forwards/expose/port', port({ out_ip: '192.0.2.1', out_port: 8080 }))).toEqual(
    bad({ message: 'listen tcp 192.0.2.1:8080: bind: cannot assign requested address' }),
  );
});

test('forwards UDP and unix sockets of the host', async () => {
  await fixture.start();
  const path = `${fixture.folder}/forward.sock`;
  const pipe = { proto: 'unix', out_path: path, in_ip: '127.0.0.1', in_port: guest.port };
  expect(await fixture.ask('PUT', '/forwards/expose/port', port({ proto: 'udp' }))).toEqual(OK);
  expect(await fixture.ask('PUT', '/forwards/expose/pipe', pipe)).toEqual(OK);
  expect(await list()).toEqual([port({ proto: 'udp', out_port: expect.any(Number) }), pipe]);
  expect(await echo({ path }, 'through a socket')).toBe('through a socket');
  expect(await fixture.ask('DELETE', '/forwards/unexpose/pipe', pipe)).toEqual(OK);
  expect(await list()).toHaveLength(1);
});

test('a unix socket inside of the guest can be taken back, because it was never forwarded', async () => {
  await fixture.start();
  const pipe = { proto: 'unix', out_path: `${fixture.folder}/x.sock`, in_path: '/run/docker.sock' };
  const refused = await fixture.ask('PUT', '/forwards/expose/pipe', pipe);
  expect(refused.status).toBe(400);
  expect(JSON.parse(refused.text)).toEqual({ message: expect.stringContaining('takes an agent in the guest') });
  expect(await fixture.ask('DELETE', '/forwards/unexpose/pipe', pipe)).toEqual(OK);
});

test.each([
  ['expose/port', { proto: 'sctp' }, 'exposed ports can only be TCP or UDP'],
  ['expose/port', '', 'exposed ports can only be TCP or UDP'],
  ['expose/port', 'null', 'exposed ports can only be TCP or UDP'],
  ['unexpose/port', { proto: 'unix' }, 'exposed ports can only be TCP or UDP'],
  ['expose/pipe', { proto: 'tcp' }, 'exposed pipes can only have proto=Unix'],
  ['unexpose/pipe', { proto: 'tcp' }, 'exposed pipes can only have proto=Unix'],
])('%s of %j: %s', async (what, body, words) => {
  await fixture.start();
  expect(await fixture.ask('POST', `/forwards/${what}`, body)).toEqual(bad(words));
});

test.each([
  ['{"proto":', /JSON/],
  ['[]', /not a JSON object/],
  [{ proto: 5 }, /proto must be a string/],
  [{ proto: 'tcp', out_port: 70_000 }, /out_port must be an integer from 0 to 65535/],
  [{ proto: 'tcp', out_ip: '1.2.3' }, /invalid IP address: 1.2.3/],
  [{ proto: 'tcp', out_port: 80 }, /in_ip and in_port must name a port of the guest/],
  [{ proto: 'tcp', annotation: 'x'.repeat(300) }, /annotation is longer/],
])('%j is refused with a message', async (body, words) => {
  await fixture.start();
  const { status, text } = await fixture.ask('PUT', '/forwards/expose/port', body);
  expect(status).toBe(400);
  expect(JSON.parse(text)).toEqual({ message: expect.stringMatching(words) });
});

test('other paths and methods are answered as VPNKit does', async () => {
  await fixture.start();
  expect(await fixture.ask('GET', '/forwards/nope')).toMatchObject({ status: 404, text: '{"message":"Not Found"}\n' });
  const wrong = await fixture.ask('GET', '/forwards/expose/port');
  expect(wrong).toMatchObject({ status: 405, text: '{"message":"Method Not Allowed"}\n' });
});

test('dump tells what is open in words', async () => {
  await fixture.start();
  await fixture.ask('PUT', '/forwards/expose/port', port({ annotation: 'kubernetes' }));
  const [{ out_port } = { out_port: 0 }] = await list();
  const line = `kubernetes tcp forward from 127.0.0.1:${out_port} to 127.0.0.1:${guest.port}\n`;
  expect((await fixture.ask('GET', '/forwards/dump')).text).toBe(line);
});

test('only allowed addresses are bound, and no paths where they are not wanted', async () => {
  await fixture.start({ allowBind: allowBind(['127.0.0.2']), allowPaths: false });
  const refused = await fixture.ask('PUT', '/forwards/expose/port', port());
  expect(refused).toEqual(
    bad({ message: 'cannot bind 127.0.0.1: only 127.0.0.2 is allowed; add it to the allowed bind addresses' }),
  );
  const anywhere = await fixture.ask('PUT', '/forwards/expose/port', port({ out_ip: undefined }));
  expect(anywhere.text).toContain('cannot bind 0.0.0.0');
  const pipe = { proto: 'unix', out_path: `${fixture.folder}/x.sock`, in_ip: '127.0.0.1', in_port: 80 };
  expect((await fixture.ask('PUT', '/forwards/expose/pipe', pipe)).text).toContain('are not forwarded from here');
  expect(await list()).toBeNull();
});

test('there is an end to forwards', async () => {
  await fixture.start({ maxForwards: 2 });
  const expose = () => fixture.ask('PUT', '/forwards/expose/port', port());
  const outcomes = await Promise.all([expose(), expose(), expose()]);
  expect(outcomes.filter(({ status }) => status === 200)).toHaveLength(2);
  expect((await expose()).text).toContain('2 are open, which is the limit');
});

test('a forward whose client vanished is there for the next one', async () => {
  let admit = (): void => {};
  const held = new Promise<void>((resolve) => {
    admit = resolve;
  });
  let asked = (_opening: Promise<unknown>): void => {};
  const waiting = new Promise<{ readonly opening: Promise<unknown> }>((resolve) => {
    asked = (opening) => resolve({ opening });
  });
  const { forwarder } = fixture;
  await fixture.start({
    forwarder: {
      open: (spec) => {
        const opening = held.then(() => forwarder.open(spec));
        asked(opening);
        return opening;
      },
      list: () => forwarder.list(),
    },
  });
  const client = await fixture.connect();
  const body = JSON.stringify(port());
  client.write(`PUT /forwards/expose/port HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const { opening } = await waiting;
  client.destroy();
  admit();
  await opening;
  const [listed] = await list();
  expect(await echo({ port: listed?.out_port ?? 0 }, 'x')).toBe('x');
  expect(await fixture.ask('DELETE', '/forwards/unexpose/port', listed)).toEqual(OK);
  expect(await isFree(listed?.out_port ?? 0)).toBe(true);
});

test('a hundred forwards leave nothing behind', async () => {
  await fixture.start();
  await list();
  const before = countDescriptors();
  for (let round = 0; round < 4; round++) {
    await Promise.all(Array.from({ length: 25 }, () => fixture.ask('PUT', '/forwards/expose/port', port())));
    const open = await list();
    expect(open).toHaveLength(25);
    if (process.platform === 'linux') expect(countDescriptors()).toBeGreaterThanOrEqual(before + 25);
    await Promise.all(open.map((one) => fixture.ask('DELETE', '/forwards/unexpose/port', one)));
    expect(await list()).toBeNull();
  }
  expect(countDescriptors()).toBeLessThanOrEqual(before + 1);
});
