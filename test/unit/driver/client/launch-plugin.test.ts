import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launchPlugin } from '../../../../driver/client';
import { gob } from '../../../../driver/gob';
import { EMPTY } from '../../../../driver/rpc';
import { startServer } from '../rpc/raw-client';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'launch-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A program in shell, in the place of a plugin. */
function program(script: string): string {
  const file = path.join(folder, `${Math.random()}`);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

test('a program that is not there', async () => {
  await expect(launchPlugin(path.join(folder, 'absent'))).rejects.toMatchObject({
    code: 'PLUGIN_NOT_STARTED',
    message: expect.stringMatching(/^cannot start .*absent: spawn .* ENOENT$/),
  });
});

test('a program that ends before it tells its address', async () => {
  await expect(launchPlugin(program('echo sorry >&2; exit 3'))).rejects.toMatchObject({
    code: 'PLUGIN_NOT_STARTED',
    message: expect.stringMatching(/it ended with exit code 3 and told no address \(sorry\)$/),
  });
});

test('a program that says nothing', async () => {
  await expect(launchPlugin(program('exec sleep 60'), { addressTimeoutMs: 100 })).rejects.toMatchObject({
    code: 'PLUGIN_NOT_STARTED',
    message: expect.stringMatching(/it did not tell its address within 100 ms$/),
  });
});

test('a program that says something else', async () => {
  await expect(launchPlugin(program('echo hello; exec sleep 60'))).rejects.toMatchObject({
    code: 'PLUGIN_NOT_CONNECTED',
    message: expect.stringMatching(/cannot connect to .*: cannot connect to "hello": not HOST:PORT$/),
  });
});

const version = (number: number) => ({
  GetVersion: { argument: EMPTY, reply: gob.int, handle: () => number },
  DriverName: { argument: EMPTY, reply: gob.string, handle: () => 'old' },
});

test('a plugin of another API version', async () => {
  const server = await startServer({ services: { RPCServerDriver: version(2) } });
  await expect(launchPlugin(program(`echo ${server.address}; exec sleep 60`))).rejects.toMatchObject({
    code: 'PLUGIN_NOT_CONNECTED',
    message: expect.stringMatching(/cannot use this plugin: its API version is 2, not 1$/),
  });
  await server.stop();
});

test('a plugin without our service', async () => {
  const server = await startServer({ services: {} });
  await expect(launchPlugin(program(`echo ${server.address}; exec sleep 60`))).rejects.toMatchObject({
    message: expect.stringMatching(/rpc: can't find service RPCServerDriver\.GetVersion$/),
  });
  await server.stop();
});

test('an old plugin, with the older name of the service', async () => {
  const server = await startServer({ services: { RpcServerDriver: version(1) } });
  const plugin = await launchPlugin(program(`echo ' ${server.address} '; echo more; exec sleep 60`));
  expect(await plugin.driver.driverName()).toBe('old');
  await plugin.driver.disconnect();
  expect(await plugin.kill()).toEqual({ code: null, signal: 'SIGKILL' });
  await server.stop();
});
