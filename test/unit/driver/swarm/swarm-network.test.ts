import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { findNetworkSocket, hasSwarm, swarmNetworkOption, swarmOfOption } from '../../../../driver/swarm/swarm-network';
import { temporaryFolder } from '../../../support/temporary-folder';

test("a machine's option says which swarm it is of", () => {
  expect(swarmOfOption(swarmNetworkOption('prod'))).toBe('prod');
  for (const other of [
    '',
    'auto',
    '/run/vpnkit.sock',
    'swarm:',
    'swarm:..',
    'swarm:../machines',
    'swarm:a/b',
    'prod',
  ]) {
    expect(swarmOfOption(other)).toBeUndefined();
  }
});

test('its socket is in the folder of the swarm, which must be there', () => {
  const store = temporaryFolder();
  expect(findNetworkSocket('', store)).toBeUndefined();
  expect(() => findNetworkSocket('swarm:prod', store)).toThrow(
    expect.objectContaining({
      code: 'HK_FLAG_INVALID',
      message: expect.stringContaining('this store has no swarm "prod"'),
    }),
  );
  mkdirSync(path.join(store, 'swarms', 'prod'), { recursive: true });
  expect(hasSwarm(store, 'prod')).toBe(true);
  expect(findNetworkSocket('swarm:prod', store)).toBe(path.join(store, 'swarms/prod/network.sock'));
  expect(() => findNetworkSocket('swarm:..', store)).toThrow('there is no such file');
});
