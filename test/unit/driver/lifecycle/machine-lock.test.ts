import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { machinePaths } from '../../../../driver/config/machine-paths';
import { lockMachine } from '../../../../driver/lifecycle/machine-lock';

let store = '';
const paths = () => ({
  ...machinePaths({ StorePath: store, MachineName: 'm', SSHKeyPath: '' }),
  directory: store,
  lock: path.join(store, 'lock'),
});
beforeEach(() => {
  store = mkdtempSync(path.join(tmpdir(), 'hk-lock-'));
});
afterEach(() => rmSync(store, { recursive: true, force: true }));

test('is held until released and leaves nothing', async () => {
  const lock = await lockMachine(paths(), 'm', 'try');
  await expect(lockMachine(paths(), 'm', 'try')).rejects.toMatchObject({ code: 'HK_MACHINE_BUSY' });
  await lock.release();
  await (await lockMachine(paths(), 'm', 'try')).release();
  expect(readdirSync(store)).toEqual([]);
});

test.each([
  ['of a dead process', '{"pid":1,"startTime":"never","bootId":"none"}'],
  ['cut short', '{"pid":'],
  ['empty', ''],
])('a lock %s is taken over', async (_title, content) => {
  writeFileSync(paths().lock, content);
  const lock = await lockMachine(paths(), 'm', 'try');
  expect(existsSync(paths().lock)).toBe(true);
  await lock.release();
  expect(readdirSync(store)).toEqual([]);
});

test('of many who try at once exactly one gets it, also over a stale one', async () => {
  writeFileSync(paths().lock, '{"pid":1,"startTime":"never","bootId":"none"}');
  const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => lockMachine(paths(), 'm', 'try')));
  expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('a folder that is not there says so', async () => {
  const gone = { ...paths(), lock: path.join(store, 'gone', 'lock') };
  await expect(lockMachine(gone, 'm', 'try')).rejects.toMatchObject({ code: 'HK_STORE_UNWRITABLE' });
});

test('whoever is refused learns who holds it', async () => {
  const lock = await lockMachine(paths(), 'm', 'hyperkit stop m');
  await expect(lockMachine(paths(), 'm', 'try')).rejects.toThrow(
    `cannot work on machine "m": "hyperkit stop m" (process ${process.pid}) is working on it; wait for it to end`,
  );
  await lock.release();
});
