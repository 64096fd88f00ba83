import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { type DriverClient, type LaunchedPlugin, launchPlugin } from '../../driver/client';
import type { Store } from './machines';
import { PROJECT } from './peers';

/** The plugin that ships. */
export const PLUGIN = path.join(PROJECT, 'dist/docker-machine-driver-hyperkit.cjs');

type FlagRecord = Readonly<Record<string, string | number | readonly string[]>>;

/** One machine of a store, driven as docker-machine does it, but without docker-machine. */
export interface Driven {
  readonly name: string;
  readonly driver: DriverClient;
  readonly plugin: LaunchedPlugin;
  /** Lines that docker-machine would have shown to the user. */
  readonly shown: readonly string[];
  /** Lines that it would have shown with --debug. */
  readonly debug: readonly string[];
}

export interface DriveOptions {
  /** Values of `--hyperkit-…` without that prefix; given, even empty, the machine is a new one. */
  readonly flags?: FlagRecord;
  /** The driver's part of config.json, for a machine that exists. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly env?: NodeJS.ProcessEnv;
  /** Words of a command line that runs the plugin, which is added at its end. */
  readonly launcher?: readonly string[];
}

/** Starts a plugin for the machine, lets `work` drive it, and closes it whatever happens. */
export async function drive<T>(
  store: Pick<Store, 'path' | 'env'>,
  name: string,
  options: DriveOptions,
  work: (driven: Driven) => Promise<T>,
): Promise<T> {
  const shown: string[] = [];
  const debug: string[] = [];
  const [program = PLUGIN, ...args] = [...(options.launcher ?? []), PLUGIN];
  const plugin = await launchPlugin(program, {
    args,
    env: { ...store.env, ...options.env },
    onLine: (line, stream) => (stream === 'stdout' ? shown : debug).push(line),
  });
  try {
    const { driver } = plugin;
    const config = { MachineName: name, StorePath: store.path, ...options.config };
    await driver.setConfigRaw(Buffer.from(JSON.stringify(config)));
    if (options.flags) await driver.setConfigFromFlags(prefixed(options.flags));
    return await work({ name, driver, plugin, shown, debug });
  } finally {
    await plugin.close();
  }
}

/** What a client does for `create`, without provisioning: check, save, create, save. */
export async function createLikeClient(store: Store, { name, driver }: Driven): Promise<void> {
  await driver.preCreateCheck();
  mkdirSync(store.folder(name), { recursive: true, mode: 0o700 });
  await saveConfig(store, { name, driver });
  await driver.create();
  await saveConfig(store, { name, driver });
}

/** What a client does after each command that went well. */
export async function saveConfig(store: Store, { name, driver }: Pick<Driven, 'name' | 'driver'>): Promise<void> {
  store.save(name, JSON.parse(Buffer.from(await driver.getConfigRaw()).toString('utf8')));
}

/** The text of the error that a call ends with; fails when it doesn't. */
export async function refusal(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => Promise.reject(new Error('the call was expected to fail, but it went well')),
    (error: Error) => error.message,
  );
}

function prefixed(flags: FlagRecord): ReadonlyMap<string, string | number | readonly string[]> {
  return new Map(Object.entries(flags).map(([flag, value]) => [`hyperkit-${flag}`, value]));
}
