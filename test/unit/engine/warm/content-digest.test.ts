import { closeSync, openSync, statSync, truncateSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { digestOfContent } from '../../../../engine/warm/content-digest';
import { temporaryFolder } from '../../../support/temporary-folder';

const BLOCK = 64 * 1024;

function file(sizeBytes: number, pieces: ReadonlyArray<readonly [at: number, content: string | Buffer]>): string {
  const name = path.join(temporaryFolder(), 'file');
  writeFileSync(name, '');
  truncateSync(name, sizeBytes);
  const fd = openSync(name, 'r+');
  for (const [at, content] of pieces) writeSync(fd, Buffer.from(content), 0, Buffer.from(content).length, at);
  closeSync(fd);
  return name;
}

test('holes and written zeroes are the same', async () => {
  const sparse = file(40 * BLOCK, [[5 * BLOCK + 7, 'here']]);
  const full = file(40 * BLOCK, [
    [0, Buffer.alloc(40 * BLOCK)],
    [5 * BLOCK + 7, 'here'],
  ]);
  expect(statSync(full).blocks).toBeGreaterThan(statSync(sparse).blocks);
  expect(await digestOfContent(full)).toBe(await digestOfContent(sparse));
});

test('what is not the same has another', async () => {
  const digests = await Promise.all(
    [
      file(40 * BLOCK, [[5 * BLOCK + 7, 'here']]),
      file(40 * BLOCK, [[5 * BLOCK + 8, 'here']]),
      file(40 * BLOCK, [[6 * BLOCK + 7, 'here']]),
      file(40 * BLOCK, [[5 * BLOCK + 7, 'hers']]),
      file(40 * BLOCK + 1, [[5 * BLOCK + 7, 'here']]),
      file(40 * BLOCK, []),
      file(0, []),
      file(40 * BLOCK + 1, [[40 * BLOCK, 'x']]),
      file(100, [[99, 'x']]),
    ].map(digestOfContent),
  );
  expect(new Set(digests).size).toBe(digests.length);
});

test('a file of a hundred gigabytes of nothing takes no time to speak of', async () => {
  const huge = file(100 * 1024 ** 3, [[60 * 1024 ** 3 + 12_345, 'far out']]);
  expect(await digestOfContent(huge)).toMatch(/^[0-9a-f]{64}$/);
});
