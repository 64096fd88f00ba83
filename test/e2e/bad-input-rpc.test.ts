import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { DriverClient } from '../../driver/client';
import { MachineState } from '../../driver/contract/machine-driver';
import { drive, refusal } from '../support/drivers';
import { NO_PROXY, Store } from '../support/machines';
import { until } from '../support/until';

// Whatever other programs send to the plugin's port, the client's calls go on as if nothing had happened.
jest.setTimeout(60_000);

const HEAD = 'CONNECT /_goRPC_ HTTP/1.0\n\n';
const store = new Store('', NO_PROXY);

/** Answers nothing until it is told to, so that a check which looks at an ISO there is a call under way. */
class SlowServer {
  readonly #server: Server;
  readonly #waiting: ServerResponse[] = [];

  private constructor() {
    this.#server = createServer((_request, response) => void this.#waiting.push(response));
  }

  static async listen(): Promise<SlowServer> {
    const slow = new SlowServer();
    await once(slow.#server.listen(0, '127.0.0.1'), 'listening');
    return slow;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/boot2docker.iso`;
  }

  isAsked(): boolean {
    return this.#waiting.length > 0;
  }

  answer(): void {
    for (const response of this.#waiting.splice(0)) response.writeHead(404).end();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** Runs `attack` while a call of the client is under way; that call and every later one must be answered as always. */
async function whileChecking(attack: (port: number, driver: DriverClient) => Promise<void>): Promise<void> {
  const slow = await SlowServer.listen();
  try {
    await drive(store, 'm', { flags: { 'boot2docker-url': slow.url } }, async ({ driver, plugin, shown }) => {
      const check = refusal(driver.preCreateCheck());
      await until('the check asks the server', () => slow.isAsked());
      await attack(Number(plugin.address.split(':')[1]), driver);
      expect(await driver.getState()).toBe(MachineState.Stopped);
      slow.answer();
      expect(await check).toBe(
        `cannot download ${slow.url}: the server answers with status 404 (not there); check --hyperkit-boot2docker-url`,
      );
      expect(shown).toEqual([]);
      const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${plugin.pid}/status`, 'utf8')) ?? [];
      expect(Number(kilobytes)).toBeLessThan(150 * 1024);
      expect(await plugin.close()).toEqual({ code: 0, signal: null });
    });
  } finally {
    slow.close();
  }
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port });
  // Being cut off is what an attacker has to expect.
  socket.on('error', () => undefined).resume();
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  return socket;
}

const isClosed = (socket: Socket) => (): boolean => socket.destroyed || socket.readableEnded;

afterAll(() => store.dispose());

test.each<[string, readonly (string | Buffer)[]]>([
  ['random bytes', [randomBytes(100_000)]],
  ['a request of a browser', ['GET / HTTP/1.1\r\nHost: localhost\r\n\r\n']],
  ['an endless head', ['CONNECT ', Buffer.alloc(200_000, 'a')]],
  ['the head, then random bytes', [HEAD, randomBytes(100_000)]],
  ['the head, then a message of 2^60 bytes', [HEAD, Buffer.from('f81000000000000000', 'hex')]],
  ['the head, then a type that contains itself', [HEAD, Buffer.from('0dff8102010104ff820001ff8200', 'hex')]],
])('%s', async (_title, parts) => {
  await whileChecking(async (port) => {
    const socket = await open(port);
    for (const part of parts) socket.write(part);
    await until('the plugin hangs up', isClosed(socket), 15_000);
    socket.destroy();
  });
});

test('half a request, and a peer that goes in the middle of it', async () => {
  await whileChecking(async (port) => {
    const half = await open(port);
    half.write(HEAD);
    half.write(Buffer.from('3dff8103010107', 'hex'));
    const gone = await open(port);
    gone.write(HEAD.slice(0, 10));
    gone.resetAndDestroy();
    half.resetAndDestroy();
  });
});

test('200 connections that say nothing', async () => {
  await whileChecking(async (port, driver) => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => open(port)));
    await until('the surplus is cut off', () => sockets.filter((socket) => isClosed(socket)()).length >= 200 - 128);
    expect(await driver.getState()).toBe(MachineState.Stopped);
    for (const socket of sockets) socket.destroy();
    // Those who left make room for a client that means it.
    await until('a new connection is served', async () => {
      const socket = await open(port);
      socket.write(HEAD);
      // One too many may also be told by a reset, which `once` throws.
      const answer: unknown[] = await Promise.race([once(socket, 'data'), once(socket, 'close')]).catch(() => []);
      socket.destroy();
      return String(answer[0]).includes('200 Connected');
    });
  });
});
