import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { type LocalForward, openLocalForward, parseLocalForward } from '../../../../driver/ssh/local-forward';
import { openSshConnection } from '../../../../driver/ssh/open-connection';
import type { SshConnection } from '../../../../driver/ssh/ssh-connection';
import { startSshServer, type TestSshServer } from '../../../support/ssh-server';
import { temporaryFolder } from '../../../support/temporary-folder';
import { until } from '../../../support/until';

test.each<[string, LocalForward]>([
  ['8080:localhost:80', { bind: '127.0.0.1', port: 8080, host: 'localhost', hostPort: 80 }],
  ['0:10.0.0.1:22', { bind: '127.0.0.1', port: 0, host: '10.0.0.1', hostPort: 22 }],
  ['0.0.0.0:1:web:2', { bind: '0.0.0.0', port: 1, host: 'web', hostPort: 2 }],
  ['*:1:web:2', { bind: '::', port: 1, host: 'web', hostPort: 2 }],
  ['[::1]:1:[fd00::3]:2', { bind: '::1', port: 1, host: 'fd00::3', hostPort: 2 }],
])('-L %s', (text, forward) => {
  expect(parseLocalForward(text)).toEqual(forward);
});

test.each([
  '',
  '80',
  '80:web',
  ':80:web:80',
  '80:web:0',
  '80::80',
  '80:web:http',
  '99999:web:80',
  'a:b:c:d:e',
  '1:[::1:2',
])('-L %j is refused', (text) => {
  expect(() => parseLocalForward(text)).toThrow('[bind:]port:host:hostport');
});

describe('a forward', () => {
  let server: TestSshServer;
  let connection: SshConnection;
  let web: Server;
  const said: string[] = [];
  const closers: (() => void)[] = [];

  beforeAll(async () => {
    server = await startSshServer({ folder: temporaryFolder() });
    connection = await openSshConnection(server.target, { deadlineMs: 60_000 });
    // Answers when everything has been said: only a half-closed connection gets an answer.
    web = createServer({ allowHalfOpen: true }, (socket) => {
      let heard = 0;
      socket.on('data', (bytes) => {
        heard += bytes.length;
      });
      socket.on('end', () => socket.end(`heard ${heard}`)).on('error', () => undefined);
    });
    web.listen(0, '127.0.0.1');
    await once(web, 'listening');
  });
  afterEach(() => {
    for (const close of closers.splice(0)) close();
    said.length = 0;
  });
  afterAll(async () => {
    connection.close();
    web.close();
    await server.close();
  });

  const open = async (hostPort: number) => {
    const forward = await openLocalForward(
      connection,
      { bind: '127.0.0.1', port: 0, host: '127.0.0.1', hostPort },
      (text) => said.push(text),
    );
    closers.push(forward.close);
    return forward;
  };
  const ask = async (port: number, bytes: number): Promise<string> => {
    const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    let answer = '';
    socket.setEncoding('utf8').on('data', (text) => {
      answer += text;
    });
    socket.on('error', () => undefined);
    socket.end(Buffer.alloc(bytes));
    await once(socket, 'close');
    return answer;
  };

  test('carries connections to the guest, several at once, also when one side has said everything', async () => {
    const { port } = await open((web.address() as AddressInfo).port);
    expect(await Promise.all([ask(port, 10), ask(port, 3_000_000), ask(port, 0)])).toEqual([
      'heard 10',
      'heard 3000000',
      'heard 0',
    ]);
  });

  test('that leads nowhere closes the connection and says why', async () => {
    const { port } = await open(1);
    expect(await ask(port, 10)).toBe('');
    await until('a word', () => said.length > 0);
    expect(said[0]).toContain('cannot start a connection to 127.0.0.1:1');
  });

  test('on a port that is taken is refused', async () => {
    const { port } = web.address() as AddressInfo;
    const opening = openLocalForward(connection, { bind: '127.0.0.1', port, host: 'x', hostPort: 1 }, () => undefined);
    await expect(opening).rejects.toMatchObject({ code: 'HK_SSH_FORWARD_FAILED' });
  });
});
