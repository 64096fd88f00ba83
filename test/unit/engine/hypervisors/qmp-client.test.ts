import { Duplex } from 'node:stream';
import { QmpClient, type QmpEvent } from '../../../../engine/hypervisors/qemu/qmp-client';

/** The other end of a QMP connection: what was sent, and a way to answer. */
class FakeMonitor extends Duplex {
  readonly sent: { readonly execute: string; readonly id: number }[] = [];

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent.push(JSON.parse(chunk.toString('utf8')) as { execute: string; id: number });
    done();
  }

  say(message: object | string): void {
    this.push(typeof message === 'string' ? message : `${JSON.stringify(message)}\r\n`);
  }
}

const greeting = { QMP: { version: {}, capabilities: [] } };

function connectPair(): { monitor: FakeMonitor; client: QmpClient; events: QmpEvent[] } {
  const monitor = new FakeMonitor();
  const events: QmpEvent[] = [];
  return { monitor, client: new QmpClient(monitor, (event) => events.push(event)), events };
}

const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve));

test('greets, commands, and hears events in between', async () => {
  const { monitor, client, events } = connectPair();
  monitor.say(greeting);
  await turn();
  const connected = client.connect(1000);
  await turn();
  expect(monitor.sent.map(({ execute }) => execute)).toEqual(['qmp_capabilities']);
  monitor.say({ event: 'RESUME' });
  monitor.say({ return: {}, id: 99 });
  monitor.say({ return: {}, id: 1 });
  await connected;
  expect(events.map(({ name }) => name)).toEqual(['RESUME']);
  const answers = [client.execute('query-status'), client.execute('stop')];
  await turn();
  monitor.say({ error: { class: 'GenericError', desc: 'no' }, id: 3 });
  monitor.say({ return: { status: 'running', running: true }, id: 2 });
  const [first, second] = await Promise.allSettled(answers);
  expect(first).toMatchObject({ status: 'fulfilled', value: { running: true } });
  expect(second).toMatchObject({ reason: { code: 'HK_HYPERVISOR_FAILED', message: 'QEMU refused a command: no' } });
});

test.each<readonly [string, (monitor: FakeMonitor) => void, RegExp]>([
  ['silence', () => undefined, /did not send its greeting within 0.05 s/],
  ['an end', (monitor) => monitor.destroy(), /QEMU closed the connection/],
  ['a broken pipe', (monitor) => monitor.destroy(new Error('EPIPE')), /the connection broke/],
  ['garbage', (monitor) => monitor.say('SSH-2.0-OpenSSH\n'), /not QMP/],
])('%s fails the connection and every later command', async (_what, act, message) => {
  const { monitor, client } = connectPair();
  const connected = client.connect(50);
  act(monitor);
  await expect(connected).rejects.toMatchObject({
    code: 'HK_HYPERVISOR_FAILED',
    message: expect.stringMatching(message) as string,
  });
  if (monitor.destroyed) await expect(client.execute('stop')).rejects.toMatchObject({ code: 'HK_HYPERVISOR_FAILED' });
});

test('a command that is not answered fails by its deadline', async () => {
  const { client } = connectPair();
  await expect(client.execute('cont', 20)).rejects.toThrow('QEMU did not send an answer to cont within 0.02 s');
});
