import { rm } from 'node:fs/promises';
import { DOCKER_PORT } from '../address/endpoint';
import { issueMachineCertificates, type ServerCredentials } from '../certs/machine-certificates';
import { ensureStoreCertificates, type StoreCertificates } from '../certs/store-certificates';
import type { FlagValues } from '../contract/create-flags';
import type { Logger } from '../contract/logger';
import type { DockerOffer } from '../contract/machine-driver';
import { untilAborted } from '../contract/until-aborted';
import { dockerTarget, waitForDocker } from '../docker/docker-client';
import { DriverError } from '../errors';
import { checkEngineWishes, engineProfile, isDefaultEngine } from '../provision/engine-profile';
import { checkMachineName } from '../store/machine-name';
import type { MachineStore } from '../store/machine-store';
import { makeMachineFolder } from '../store/make-folder';
import type { StoredMachine } from '../store/stored-machine';
import { type AuthPaths, type EngineWishes, newHostOptions, readAuthPaths, readEngineWishes } from './host-options';
import { setUpDocker } from './set-up-docker';

/** Docker's certificates were just laid down and its port answers within seconds. */
const DOCKER_DEADLINE_MS = 120_000;
/** Of a machine that was restored it is there already; without an answer booting is the better way. */
const RESTORED_DOCKER_DEADLINE_MS = 30_000;

export interface HostRequest {
  readonly name: string;
  /** Values of the driver's own flags, as docker-machine would send them. */
  readonly flags: FlagValues;
  readonly engine: EngineWishes;
  readonly sans: readonly string[];
  readonly installUrl: string;
}

export interface CreateOptions {
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** A phase begins. */
  readonly onPhase: (phase: CreatePhase) => void;
}

/** Phases of a create, in their order: before anything exists, the virtual machine, Docker's set-up if it still needs one, its proof. */
export type CreatePhase = 'check' | 'create' | 'provision' | 'verify';

/** A create that was refused before anything of the machine existed. */
export class CreateRefused extends Error {
  override readonly name = 'CreateRefused';
  readonly code: unknown;

  constructor(override readonly cause: DriverError | Error) {
    super(cause.message, { cause });
    this.code = (cause as Partial<DriverError>).code;
  }
}

/**
 * Makes a Docker host: virtual machine, certificates, Docker configuration, and proves that it answers. config.json is
 * written when docker-machine writes it, so that a crash at any line leaves something that `rm` cleans up. An abort
 * undoes everything; any other failure leaves the machine for its user to look at, as docker-machine does.
 * @throws CreateRefused when nothing was made; else what failed
 */
export async function createHost(
  store: MachineStore,
  request: HostRequest,
  options: CreateOptions,
): Promise<StoredMachine> {
  const { signal, logger, onPhase } = options;
  let machine: StoredMachine;
  let certificates: StoreCertificates;
  try {
    onPhase('check');
    ({ machine, certificates } = await prepare(store, request, logger, signal));
  } catch (cause) {
    throw new CreateRefused(cause as Error);
  }
  const driver = machine.requireDriver();
  const paths = readAuthPaths(machine.document, store.path, machine.folder);
  const certify: Certify = async (address) => {
    const identity = { machineName: machine.name, address };
    return await issueMachineCertificates(certificates, identity, machine.folder, paths);
  };
  try {
    await machine.withLock(`hyperkit create ${machine.name}`, async () => {
      await machine.save();
      onPhase('create');
      const isProved = await createMachine(machine, paths, certify, options);
      await machine.save();
      if (isProved) return;
      onPhase('provision');
      const change = await setUpDocker(machine, await certify(await driver.getIP()), signal);
      logger.debug(`Docker in the guest was ${change}`);
      onPhase('verify');
      await waitForDocker(dockerTarget(await driver.getURL(), paths), DOCKER_DEADLINE_MS, signal);
      await machine.save();
    });
    return machine;
  } catch (error) {
    if (!signal.aborted) throw error;
    await driver.remove().catch(() => undefined);
    await rm(machine.folder, { recursive: true, force: true });
    throw signal.reason;
  }
}

/** Everything that can be refused, and the store's certificates; then the machine's folder, which takes the name. */
async function prepare(
  store: MachineStore,
  request: HostRequest,
  logger: Logger,
  signal: AbortSignal,
): Promise<{ readonly machine: StoredMachine; readonly certificates: StoreCertificates }> {
  const { name, engine, sans } = request;
  checkMachineName(name);
  checkEngineWishes(engine);
  if (store.has(name)) throw alreadyExists(name);
  const hostOptions = newHostOptions(store.path, name, engine, sans, request.installUrl);
  const machine = await store.draft(name, hostOptions);
  const driver = machine.requireDriver();
  await driver.setConfigFromFlags(request.flags);
  const paths = readAuthPaths(machine.document, store.path, machine.folder);
  const certifying = ensureStoreCertificates(paths, { logger });
  certifying.catch(() => undefined);
  // Of two that fail, on a full disk for one, the check has more to say.
  await untilAborted(driver, signal, () => driver.preCreateCheck());
  const certificates = await certifying;
  signal.throwIfAborted();
  await makeMachineFolder(machine.folder, () => alreadyExists(name));
  return { machine, certificates };
}

/** Issues the machine's certificates and lays them down. */
type Certify = (address: string) => Promise<ServerCredentials>;

/** Makes the virtual machine; true if its Docker has got its credentials and options on the way, and has answered. */
async function createMachine(
  machine: StoredMachine,
  paths: AuthPaths,
  certify: Certify,
  { signal, onPhase }: CreateOptions,
): Promise<boolean> {
  const driver = machine.requireDriver();
  const wishes = readEngineWishes(machine.document);
  let isProved = false;
  const offer: DockerOffer = {
    async prepare(address) {
      await certify(address);
      const profile = engineProfile(wishes, driver.driverName(), DOCKER_PORT);
      return { ca: paths.caCert, certificate: paths.serverCert, key: paths.serverKey, profile };
    },
    async prove(address) {
      onPhase('verify');
      await waitForDocker(dockerTarget(`tcp://${address}:${DOCKER_PORT}`, paths), RESTORED_DOCKER_DEADLINE_MS, signal);
      isProved = true;
    },
  };
  await untilAborted(driver, signal, () => driver.create(isDefaultEngine(wishes) ? offer : undefined));
  return isProved;
}

function alreadyExists(name: string): DriverError {
  return new DriverError(
    'HK_MACHINE_EXISTS',
    `cannot create machine "${name}": it already exists; take another name, or remove it with "hyperkit rm ${name}"`,
  );
}
