import { spawnSync } from 'node:child_process';
import { checkEngineWishes, engineProfile, isDefaultEngine } from '../../../../driver/provision/engine-profile';
import { guestScript } from '../../../../driver/provision/guest-script';
import { provisionGuest } from '../../../../driver/provision/provision-guest';

const WISHES = { flags: [], env: [], insecureRegistries: [], labels: [], registryMirrors: [], storageDriver: '' };
const FULL = {
  flags: ['dns=192.0.2.1', 'debug'],
  env: ['HTTP_PROXY=http://proxy:3128', 'PRICE="$5"'],
  insecureRegistries: ['registry:5000'],
  labels: ['tier=one', 'a=b'],
  registryMirrors: ['https://mirror'],
  storageDriver: 'vfs',
};

test('any wish of its own keeps an engine from what an image’s runs with', () => {
  expect(isDefaultEngine(WISHES)).toBe(true);
  expect(isDefaultEngine({ ...WISHES, storageDriver: 'overlay2' })).toBe(true);
  for (const [wish, value] of Object.entries(FULL)) expect(isDefaultEngine({ ...WISHES, [wish]: value })).toBe(false);
});

test('the profile is docker-machine’s, letter for letter', () => {
  expect(engineProfile(WISHES, 'hyperkit', 2376)).toBe(`
EXTRA_ARGS='
--label provider=hyperkit

'
CACERT=/var/lib/boot2docker/ca.pem
DOCKER_HOST='-H tcp://0.0.0.0:2376'
DOCKER_STORAGE=overlay2
DOCKER_TLS=auto
SERVERKEY=/var/lib/boot2docker/server-key.pem
SERVERCERT=/var/lib/boot2docker/server.pem


`);
  expect(engineProfile(FULL, 'hyperkit', 2376)).toBe(`
EXTRA_ARGS='
--label tier=one
--label a=b
--label provider=hyperkit
--insecure-registry registry:5000
--registry-mirror https://mirror
--dns=192.0.2.1
--debug

'
CACERT=/var/lib/boot2docker/ca.pem
DOCKER_HOST='-H tcp://0.0.0.0:2376'
DOCKER_STORAGE=vfs
DOCKER_TLS=auto
SERVERKEY=/var/lib/boot2docker/server-key.pem
SERVERCERT=/var/lib/boot2docker/server.pem

export "HTTP_PROXY=http://proxy:3128"
export "PRICE=\\"\\$5\\""

`);
});

test('a shell reads the profile as it was meant', () => {
  const script = `${engineProfile(FULL, 'hyperkit', 2376)}\nset -f\nprintf '%s\\n' "$PRICE" $DOCKER_STORAGE $EXTRA_ARGS`;
  const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
  expect(stdout.trim().split('\n')).toEqual([
    '"$5"',
    'vfs',
    ...['--label', 'tier=one', '--label', 'a=b', '--label', 'provider=hyperkit'],
    ...['--insecure-registry', 'registry:5000', '--registry-mirror', 'https://mirror', '--dns=192.0.2.1', '--debug'],
  ]);
});

test('wishes that would break the profile are refused', () => {
  checkEngineWishes(FULL);
  for (const wishes of [
    { labels: ["a='"] },
    { labels: ['a'] },
    { labels: ['a=b c'] },
    { flags: ['dns=`id`'] },
    { flags: ['--dns=x'] },
    { insecureRegistries: ['a b'] },
    { registryMirrors: ['$(x)'] },
    { storageDriver: 'a b' },
    { env: ['=x'] },
    { env: ['A=b\nc'] },
  ]) {
    expect(() => checkEngineWishes({ ...WISHES, ...wishes })).toThrow(/^cannot use --engine-/);
  }
});

const SETUP = {
  machineName: 'dev',
  credentials: { caPem: 'CA\n', certificatePem: 'CERT\n', keyPem: 'SECRET\n' },
  profile: engineProfile(FULL, 'hyperkit', 2376),
};

test('the script is one that a shell can read, and no key is on a command line', async () => {
  const checked = spawnSync('sh', ['-n'], { input: guestScript(SETUP), encoding: 'utf8' });
  expect(checked.stderr).toBe('');
  const commands: string[] = [];
  const answer = await provisionGuest(
    {
      run: async (command, options) => {
        commands.push(command);
        expect(String(options?.stdin)).toContain('SECRET');
        return { code: 0, stdout: 'noise\ndocker: reloaded\n', stderr: '' };
      },
    },
    SETUP,
  );
  expect(answer).toBe('reloaded');
  expect(commands).toEqual(['sudo -n /bin/sh -s']);
});

test('a guest of another system stops the script before it changes anything', () => {
  const { status, stdout } = spawnSync('sh', ['-s'], { input: guestScript(SETUP), encoding: 'utf8' });
  expect([status, stdout]).toEqual([64, '']);
});

test.each([
  [64, /its system is not boot2docker/],
  [65, /its Docker does not start with these options; the guest says:\n {2}unknown flag/],
  [1, /ended with status 1; the guest says:\n {2}unknown flag/],
])('status %d becomes an error that says why', async (code, text) => {
  const failing = provisionGuest({ run: async () => ({ code, stdout: '', stderr: 'unknown flag\n' }) }, SETUP);
  await expect(failing).rejects.toMatchObject({ code: 'HK_PROVISION_FAILED' });
  await expect(failing).rejects.toThrow(text);
});
