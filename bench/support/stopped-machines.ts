import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A store of stopped machines, as docker-machine would have written it. */
export async function fillStore(
  store: string,
  driverName: string,
  count: number,
  driver: object = {},
): Promise<string> {
  for (let index = 0; index < count; index++) {
    const name = `machine-${index}`;
    const machine = path.join(store, 'machines', name);
    await mkdir(machine, { recursive: true });
    const config = {
      ConfigVersion: 3,
      Driver: { IPAddress: `127.64.0.${index + 1}`, MachineName: name, SSHUser: 'docker', StorePath: store, ...driver },
      DriverName: driverName,
      HostOptions: { EngineOptions: { TlsVerify: true }, SwarmOptions: {}, AuthOptions: { StorePath: machine } },
      Name: name,
    };
    await writeFile(path.join(machine, 'config.json'), JSON.stringify(config));
  }
  return store;
}
