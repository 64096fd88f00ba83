import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { IdentityChannel } from '../../../../engine/hypervisors/identity-channel';
import { newIdentity } from '../../../../engine/identity/new-identity';

/** A port whose other end is the test. */
function openPort(): { readonly port: Duplex; readonly written: () => string; say(text: string): void } {
  let written = '';
  const port = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      written += chunk.toString();
      done();
    },
  });
  return { port, written: () => written, say: (text) => void port.push(text) };
}

const network = { bindAddress: '127.0.0.1', forwards: [], macAddress: '02:00:00:00:00:01', hostname: 'dev' };
const warm = { authorizedKeys: 'ssh-rsa AAAA docker' };
const identity = newIdentity({ network }, network.macAddress, warm);

test('a template says when it may be saved', async () => {
  const { port, say } = openPort();
  const channel = new IdentityChannel(port);
  const quiet = channel.quiet();
  say('qui');
  say('et 2\n');
  await quiet;
  await channel.quiet();
});

test('a copy is told who it is, asks for the time, and says what it became', async () => {
  const { port, say, written } = openPort();
  const become = new IdentityChannel(port).impart(identity);
  say('clock\nclock\nfact machine-id abc\nfact hostkey-ed25519 SHA256:x y\ndone\n');
  port.push(null);
  expect([...(await become)]).toEqual([
    ['machine-id', 'abc'],
    ['hostkey-ed25519', 'SHA256:x y'],
  ]);
  const lines = written().split('\n');
  expect(lines.slice(0, 6)).toEqual([
    'identity 2',
    'hostname dev',
    `machine-id ${identity.machineId}`,
    `boot-id ${identity.bootId}`,
    `engine-id ${identity.engineId}`,
    'mac 02:00:00:00:00:01',
  ]);
  expect(lines[6]).toBe(`seed ${Buffer.from(identity.seed).toString('base64')}`);
  const parts = new Map(lines.slice(7, 16).map((line) => line.split(' ') as [string, string]));
  const { hostKeys, docker } = identity;
  expect([...parts].map(([key, value]) => [key, Buffer.from(value, 'base64').toString('latin1')])).toEqual([
    ['ssh-ecdsa', hostKeys.ecdsa.privateKey],
    ['ssh-ecdsa-public', hostKeys.ecdsa.publicKey],
    ['ssh-ed25519', hostKeys.ed25519.privateKey],
    ['ssh-ed25519-public', hostKeys.ed25519.publicKey],
    ['docker-ca', docker.certificate],
    ['docker-certificate', docker.certificate],
    ['docker-key', docker.key],
    ['docker-profile', ''],
    ['userdata', expect.stringContaining('ssh-rsa AAAA docker')],
  ]);
  expect(lines[16]).toBe('end');
  const times = lines.filter((line) => line.startsWith('clock ')).map((line) => Number(line.split(' ')[1]));
  expect(times).toHaveLength(2);
  for (const time of times) expect(Math.abs(time - Date.now() / 1000)).toBeLessThan(60);
});

test.each([
  ['failed no such\x1b[31m device\n', 'no such?[31m device'],
  ['quiet 1\n', 'it speaks version 1 of the protocol, not 2'],
  ['hello\n', 'it said "hello"'],
  ['x'.repeat(2000), 'it said too much'],
  [
    `${'fact a b\n'.repeat(3)}${Array.from({ length: 200 }, (_, at) => `fact k${at} v\n`).join('')}`,
    'it said too much',
  ],
])('what is not as it should be fails: %j', async (text, reason) => {
  const { port, say } = openPort();
  const become = new IdentityChannel(port).impart(identity);
  say(text);
  await expect(become).rejects.toThrow(reason);
});

test('a channel that closes fails, now and later', async () => {
  const { port } = openPort();
  const channel = new IdentityChannel(port);
  const quiet = channel.quiet();
  port.destroy();
  await expect(quiet).rejects.toThrow('the channel closed');
  await expect(channel.impart(identity)).rejects.toThrow('the channel closed');
});

test('no bytes of a guest make more than an error of it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(fc.string(), fc.constantFrom('clock\n', 'fact ', 'quiet 2\n', '\n'))),
      async (chunks) => {
        const { port, say } = openPort();
        const quiet = new IdentityChannel(port).quiet().then(
          () => 'quiet',
          (error: Error) => error.message,
        );
        for (const chunk of chunks) say(chunk === '' ? ' ' : chunk);
        port.destroy();
        expect(typeof (await quiet)).toBe('string');
      },
    ),
  );
});
