import { DriverError } from '../errors';
import type { EngineWishes } from '../host/host-options';

const STATE = '/var/lib/boot2docker';

/** What docker-machine asks for where the user does not. */
const DEFAULT_STORAGE_DRIVER = 'overlay2';

/** Where the guest keeps its credentials, docker-machine's places. */
export const GUEST_FILES = {
  ca: `${STATE}/ca.pem`,
  certificate: `${STATE}/server.pem`,
  key: `${STATE}/server-key.pem`,
  profile: `${STATE}/profile`,
  hostname: `${STATE}/etc/hostname`,
} as const;

/**
 * Refuses wishes that would break the profile, a file of shell assignments: each must be one word without quotes.
 * @throws DriverError HK_USAGE naming the option
 */
export function checkEngineWishes(wishes: EngineWishes): void {
  const check = (option: string, values: readonly string[], allowed: RegExp, what: string): void => {
    for (const value of values) {
      if (allowed.test(value)) continue;
      throw new DriverError('HK_USAGE', `cannot use --${option}=${value}: it must be ${what}`);
    }
  };
  const word = /^[^\s'"`\\$*?[\]]+$/;
  check(
    'engine-opt',
    wishes.flags,
    /^[a-z][a-z0-9-]*(=[^\s'"`\\$*?[\]]*)?$/,
    'flag or flag=value, one word without quotes',
  );
  check('engine-label', wishes.labels, /^[^\s'"`\\$*?[\]=]+=[^\s'"`\\$*?[\]]*$/, 'name=value, one word without quotes');
  check('engine-insecure-registry', wishes.insecureRegistries, word, 'one word without quotes');
  check('engine-registry-mirror', wishes.registryMirrors, word, 'one word without quotes');
  check(
    'engine-storage-driver',
    wishes.storageDriver === '' ? [] : [wishes.storageDriver],
    /^[a-z0-9-]+$/,
    'a storage driver such as overlay2',
  );
  check('engine-env', wishes.env, /^[A-Za-z_][A-Za-z0-9_]*=[^\r\n\0]*$/, 'NAME=value on one line');
}

/** These are what our guest's dockerd runs with before anybody has told it anything. */
export function isDefaultEngine(wishes: EngineWishes): boolean {
  const { flags, env, insecureRegistries, labels, registryMirrors, storageDriver } = wishes;
  const words = [...flags, ...env, ...insecureRegistries, ...labels, ...registryMirrors];
  return words.length === 0 && ['', DEFAULT_STORAGE_DRIVER].includes(storageDriver);
}

/**
 * dockerd's configuration of a machine of `driverName`: the content of /var/lib/boot2docker/profile, letter for letter
 * what docker-machine's boot2docker provisioner writes.
 */
export function engineProfile(wishes: EngineWishes, driverName: string, dockerPort: number): string {
  const storageDriver = wishes.storageDriver === '' ? DEFAULT_STORAGE_DRIVER : wishes.storageDriver;
  return [
    '',
    "EXTRA_ARGS='",
    ...[...wishes.labels, `provider=${driverName}`].map((label) => `--label ${label}`),
    ...wishes.insecureRegistries.map((registry) => `--insecure-registry ${registry}`),
    ...wishes.registryMirrors.map((mirror) => `--registry-mirror ${mirror}`),
    ...wishes.flags.map((flag) => `--${flag}`),
    '',
    "'",
    `CACERT=${GUEST_FILES.ca}`,
    `DOCKER_HOST='-H tcp://0.0.0.0:${dockerPort}'`,
    `DOCKER_STORAGE=${storageDriver}`,
    'DOCKER_TLS=auto',
    `SERVERKEY=${GUEST_FILES.key}`,
    `SERVERCERT=${GUEST_FILES.certificate}`,
    '',
    ...wishes.env.map((assignment) => `export "${assignment.replace(/["\\$`]/g, '\\$&')}"`),
    '',
    '',
  ].join('\n');
}
