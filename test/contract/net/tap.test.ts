// The program vpnkit with a guest that is Linux itself: a network namespace on a tap device.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { type Namespace, whyNoNamespaces, withNamespace } from '../../support/namespace';
import { describeWith, PROJECT } from '../../support/peers';
import { temporaryFolder } from '../../support/temporary-folder';

jest.setTimeout(60_000);

const PROGRAM = path.join(PROJECT, 'dist/vpnkit.cjs');

/** What the guest finds out, as one line of JSON. */
const GUEST = `
const { Resolver } = require('node:dns').promises;
const { connect } = require('node:net');
const { createSocket } = require('node:dgram');
const [hostPort, gatewayPort, datagramPort] = process.argv.slice(1).map(Number);
const resolver = new Resolver({ timeout: 5000 });
resolver.setServers(['192.168.65.1']);
const read = (host, port) => new Promise((resolve) => {
  let text = '';
  connect(port, host).setEncoding('utf8')
    .on('data', (part) => { text += part; })
    .on('end', () => resolve(text))
    .on('error', (error) => resolve(error.code));
});
const echo = (port) => new Promise((resolve) => {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    resolve(message + ' from ' + from.address + ':' + from.port);
    socket.close();
  });
  socket.send('hello', port, '192.168.65.1');
});
(async () => console.log(JSON.stringify({
  host: await read('192.168.65.2', hostPort),
  gateway: await read('192.168.65.1', gatewayPort),
  closed: await read('192.168.65.1', 9),
  datagram: await echo(datagramPort),
  self: await resolver.resolve4('vm.internal'),
  names: [await resolver.resolve4('here.example'), await resolver.resolve4('gateway.internal')],
  file: await resolver.resolve4('from.file'),
})))();
`;

describeWith('a tap device', [whyNoNamespaces()], () => {
  let folder: string;

  beforeEach(() => {
    folder = temporaryFolder();
  });

  async function start(namespace: Namespace, words: readonly string[]): Promise<ChildProcess> {
    const tap = ['--tap', 'tap0', '--tap-netns', String(namespace.pid)];
    const [command, options] = namespace.owning(process.execPath, PROGRAM, ...tap, ...words);
    const child = spawn(command, options, { stdio: ['ignore', 'pipe', 'inherit'] });
    const [said] = (await Promise.race([once(child.stdout, 'data'), once(child, 'close')])) as [unknown];
    expect(String(said)).toBe('ready\n');
    await namespace.ip('link set tap0 up', 'addr add 192.168.65.3/24 dev tap0', 'route add default via 192.168.65.1');
    return child;
  }

  test('gives a guest the host, the gateway’s ports and names, needing no privileges outside', async () => {
    const server = createServer((socket) => socket.end('welcome')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const echo = createSocket('udp4');
    echo.on('message', (message, from) => echo.send(message, from.port, from.address));
    echo.bind(0, '127.0.0.1');
    await once(echo, 'listening');
    writeFileSync(path.join(folder, 'hosts'), '192.0.2.7 from.file\n');
    try {
      await withNamespace(async (namespace) => {
        const program = await start(namespace, [
          ...['--hosts', path.join(folder, 'hosts'), '--host-names', 'here.example'],
          ...['--tcpv4-forwards', `8080:127.0.0.1:${port}`],
          ...['--udpv4-forwards', `123:127.0.0.1:${echo.address().port}`],
        ]);
        const { stdout, output } = await namespace.run(process.execPath, ['-e', GUEST, `${port}`, '8080', '123']);
        try {
          expect(JSON.parse(stdout)).toEqual({
            host: 'welcome',
            gateway: 'welcome',
            closed: 'ECONNREFUSED',
            datagram: 'hello from 192.168.65.1:123',
            self: ['192.168.65.3'],
            names: [['192.168.65.2'], ['192.168.65.1']],
            file: ['192.0.2.7'],
          });
        } catch (error) {
          throw new Error(output, { cause: error });
        }
        program.kill('SIGTERM');
        expect(await once(program, 'close')).toEqual([0, null]);
      });
    } finally {
      server.close();
      echo.close();
    }
  });

  test('does not give it the host when the alias is off', async () => {
    const server = createServer((socket) => socket.end('welcome')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const script = `require('node:net').connect(${port}, '192.168.65.2').on('connect', () => console.log('in')).on('error', (e) => console.log(e.code))`;
    try {
      await withNamespace(async (namespace) => {
        const program = await start(namespace, ['--host-ip', '0.0.0.0']);
        const { stdout } = await namespace.run(process.execPath, ['-e', script]);
        expect(stdout.trim()).toMatch(/^(ECONNREFUSED|EHOSTUNREACH)$/);
        program.kill('SIGTERM');
        await once(program, 'close');
      });
    } finally {
      server.close();
    }
  });
});
