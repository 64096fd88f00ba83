import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import type { DriverClient } from './driver-client';
import { launchPlugin } from './launch-plugin';

// Program quickstart-client: the few commands that a first machine needs, for hosts without docker-machine. It speaks
// to the plugin exactly as docker-machine does and leaves the same store behind, so docker-machine can take over.

const USAGE = 'usage: quickstart-client create|start|stop|rm|ssh-target NAME\n';

const store = process.env['MACHINE_STORAGE_PATH'] ?? path.join(homedir(), '.docker', 'machine');

/** Runs one command against a plugin that knows the machine, and closes it whatever happens. */
async function withMachine(name: string, work: (driver: DriverClient) => Promise<void>): Promise<void> {
  const plugin = await launchPlugin(path.join(__dirname, 'docker-machine-driver-hyperkit.cjs'), {
    onLine: (line, stream) => {
      if (stream === 'stdout') process.stdout.write(`(${name}) ${line}\n`);
    },
  });
  try {
    await plugin.driver.setConfigRaw(Buffer.from(JSON.stringify(await readDriverConfig(name))));
    await work(plugin.driver);
  } finally {
    await plugin.close();
  }
}

const configPath = (name: string): string => path.join(store, 'machines', name, 'config.json');

async function readDriverConfig(name: string): Promise<unknown> {
  const text = await readFile(configPath(name), 'utf8').catch(() => undefined);
  if (text === undefined) return { MachineName: name, StorePath: store };
  return (JSON.parse(text) as { readonly Driver: unknown }).Driver;
}

async function save(name: string, driver: DriverClient): Promise<void> {
  const config = {
    ConfigVersion: 3,
    Driver: JSON.parse(Buffer.from(await driver.getConfigRaw()).toString('utf8')) as unknown,
    DriverName: 'hyperkit',
    HostOptions: {
      EngineOptions: { InstallURL: 'https://get.docker.com', TlsVerify: true },
      SwarmOptions: { Host: 'tcp://0.0.0.0:3376', Image: 'swarm:latest', Strategy: 'spread' },
      AuthOptions: {
        CertDir: path.join(store, 'certs'),
        CaCertPath: path.join(store, 'certs', 'ca.pem'),
        CaPrivateKeyPath: path.join(store, 'certs', 'ca-key.pem'),
        ClientCertPath: path.join(store, 'certs', 'cert.pem'),
        ClientKeyPath: path.join(store, 'certs', 'key.pem'),
        ServerCertPath: path.join(store, 'machines', name, 'server.pem'),
        ServerKeyPath: path.join(store, 'machines', name, 'server-key.pem'),
        StorePath: path.join(store, 'machines', name),
      },
    },
    Name: name,
  };
  const draft = `${configPath(name)}.tmp`;
  await writeFile(draft, JSON.stringify(config, undefined, 4), { mode: 0o600 });
  await rename(draft, configPath(name));
}

async function create(name: string): Promise<void> {
  await withMachine(name, async (driver) => {
    await driver.setConfigFromFlags(new Map());
    await driver.preCreateCheck();
    await mkdir(path.join(store, 'machines', name), { recursive: true, mode: 0o700 });
    await chmod(store, 0o700);
    await save(name, driver);
    await driver.create();
    await save(name, driver);
  });
}

async function main([command, name]: readonly string[]): Promise<number> {
  if (command === undefined || name === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  switch (command) {
    case 'create':
      await create(name);
      return 0;
    case 'start':
      await withMachine(name, async (driver) => {
        await driver.start();
        await save(name, driver);
      });
      return 0;
    case 'stop':
      await withMachine(name, (driver) => driver.stop());
      return 0;
    case 'rm':
      await withMachine(name, (driver) => driver.remove());
      await rm(path.join(store, 'machines', name), { recursive: true, force: true });
      return 0;
    case 'ssh-target':
      await withMachine(name, async (driver) => {
        const [address, port, key] = [
          await driver.getSSHHostname(),
          await driver.getSSHPort(),
          await driver.getSSHKeyPath(),
        ];
        process.stdout.write(`${address} ${port} ${key}\n`);
      });
      return 0;
    default:
      process.stderr.write(USAGE);
      return 2;
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
