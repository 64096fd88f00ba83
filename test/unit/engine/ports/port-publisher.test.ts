import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPortPublisher } from '../../../../engine/ports/port-publisher';
import { portName } from '../../../../engine/ports/published-ports';
import { temporaryFolder } from '../../../support/temporary-folder';

// A server that speaks the few requests of the Docker Engine API, over TLS with client certificates as the guest does.
let folder = '';
let published: readonly number[] = [];
/** Of the Swarm's services; undefined: Docker is in none. */
let swarmPorts: readonly number[] | undefined;
let isSwarmBroken = false;
const streams = new Set<ServerResponse>();
let server: Server;

const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' });
const makeCertificates = (): void => {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '1',
    '-subj',
    '/CN=test',
    '-addext',
    'subjectAltName=IP:127.0.0.1',
    '-keyout',
    'key.pem',
    '-out',
    'cert.pem',
  );
  execFileSync('cp', ['cert.pem', 'ca.pem'], { cwd: folder });
};
const until = async (condition: () => boolean): Promise<void> => {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 1_500) throw new Error('it did not happen within 15 s');
    await sleep(10);
  }
};
const say = (): void => {
  for (const stream of streams) stream.write('{"Type":"container"}\n');
};

const answer = (url: string): unknown => {
  if (url.startsWith('/containers/')) {
    return [{ Ports: published.map((port) => ({ PublicPort: port, Type: 'tcp' })) }];
  }
  if (url.startsWith('/networks?')) return swarmPorts === undefined ? [] : [{ Id: 'ingress1', Ingress: true }];
  return { Services: { web: { Ports: swarmPorts?.map((port) => `Target: 80, Publish: ${port}`) } } };
};

beforeEach(async () => {
  folder = temporaryFolder();
  makeCertificates();
  published = [];
  swarmPorts = undefined;
  isSwarmBroken = false;
  const read = (name: string) => readFileSync(path.join(folder, name));
  server = createServer(
    { key: read('key.pem'), cert: read('cert.pem'), ca: read('ca.pem'), requestCert: true, rejectUnauthorized: true },
    (request, response) => {
      if (request.url?.startsWith('/events') === true) {
        response.flushHeaders();
        streams.add(response);
        response.on('close', () => streams.delete(response));
      } else if (isSwarmBroken && request.url?.startsWith('/networks') === true) {
        response.writeHead(500).end();
      } else response.end(JSON.stringify(answer(request.url ?? '')));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const start = (refuse: readonly number[] = []) => {
  const open = new Set<string>();
  const lines: string[] = [];
  const publisher = startPortPublisher(
    { address: '127.0.0.1', port: (server.address() as AddressInfo).port, certificates: folder },
    {
      open: async (port) => {
        if (refuse.includes(port.port)) throw new Error('address in use');
        open.add(portName(port));
      },
      close: async (port) => void open.delete(portName(port)),
    },
    (line) => lines.push(line),
  );
  return { open, lines, publisher };
};

test('ports come and go with the containers', async () => {
  published = [8080];
  const { open, publisher } = start();
  await until(() => open.has('8080/tcp'));
  published = [9090];
  say();
  await until(() => open.has('9090/tcp') && !open.has('8080/tcp'));
  publisher.stop();
});

test("a Swarm's ports come and go though Docker tells nothing of them", async () => {
  published = [9090];
  swarmPorts = [8080];
  const { open, publisher } = start();
  await until(() => open.has('8080/tcp') && open.has('8080/udp') && open.has('9090/tcp'));
  swarmPorts = [8081];
  await until(() => open.has('8081/tcp') && !open.has('8080/tcp'));
  // Left by word of an event, as with `docker swarm leave`.
  swarmPorts = undefined;
  say();
  await until(() => !open.has('8081/tcp') && open.has('9090/tcp'));
  publisher.stop();
});

test('a Swarm that does not answer keeps its ports, and those of containers come and go', async () => {
  swarmPorts = [8080];
  const { open, publisher } = start();
  await until(() => open.has('8080/tcp'));
  isSwarmBroken = true;
  published = [9090];
  say();
  await until(() => open.has('9090/tcp'));
  expect(open.has('8080/tcp')).toBe(true);
  publisher.stop();
});

test('it finds Docker again after a restart', async () => {
  const { open, publisher } = start();
  await until(() => streams.size === 1);
  server.closeAllConnections();
  published = [80];
  await until(() => open.has('80/tcp'));
  publisher.stop();
});

test('it begins as soon as the certificates are there', async () => {
  renameSync(path.join(folder, 'cert.pem'), path.join(folder, 'cert.later'));
  published = [80];
  const { open, publisher } = start();
  await sleep(100);
  expect(open.size).toBe(0);
  renameSync(path.join(folder, 'cert.later'), path.join(folder, 'cert.pem'));
  await until(() => open.has('80/tcp'));
  publisher.stop();
});

test('a port that cannot be opened is told once and holds up no other', async () => {
  published = [80, 81];
  const { open, lines, publisher } = start([80]);
  await until(() => open.has('81/tcp'));
  say();
  published = [80, 81, 82];
  say();
  await until(() => open.has('82/tcp'));
  expect(lines).toEqual(['cannot publish port 80/tcp: address in use']);
  publisher.stop();
});

test('told that Docker may answer it looks soon, however often it is told', async () => {
  const looks: number[] = [];
  server.on('connection', (socket) => {
    looks.push(performance.now());
    socket.destroy();
  });
  const { publisher } = start();
  // Left alone, the pauses before the eighth look would add up to half a minute.
  for (let tries = 0; looks.length < 8; tries++) {
    if (tries > 1_500) throw new Error(`it looked only ${looks.length} times in 15 s`);
    publisher.lookAgain();
    await sleep(10);
  }
  publisher.stop();
  const pauses = looks.slice(1).map((look, index) => look - (looks[index] as number));
  expect(Math.min(...pauses)).toBeGreaterThan(200);
});

test('after stop nothing of it is left', async () => {
  const { publisher } = start();
  await until(() => streams.size === 1);
  publisher.stop();
  await until(() => streams.size === 0);
});
