import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { findBootFiles } from '../../../../engine/boot/boot-files';
import { extractBootFiles } from '../../../../engine/boot/extract-boot-files';
import { verifyIso } from '../../../../engine/boot/verify-iso';
import { EngineError } from '../../../../engine/errors';
import { temporaryFolder } from '../../../support/temporary-folder';
import { boot2dockerFiles, buildIso } from './iso-builder';

const folder = temporaryFolder();
const files = { ...boot2dockerFiles(), [`/boot/${'long '.repeat(40)}`]: 'x', '/a/b/c/d/e': 'deep' };
const links = { '/boot/link': '../a/b', '/a/self': 'self' };
const images = [
  buildIso(files, { rockRidge: true, links }),
  buildIso(boot2dockerFiles()),
  buildIso(files, { rockRidge: true, blockBytes: 512, maxExtentBytes: 2048, suspSkip: 3 }),
];

/** Descriptors and directories, where a change of a byte means something. */
const METADATA_START = 16 * 2048;
const METADATA_BYTES = 14 * 2048;

const change = fc.record({
  at: fc.nat({ max: METADATA_BYTES }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc.constantFrom(...['CE', 'NM', 'SL', 'CL', 'RE', 'ST', '..'].map((text) => Buffer.from(text))),
    fc.constantFrom(Buffer.from('ffffffff', 'hex'), Buffer.from('00000000', 'hex'), Buffer.from('12000000', 'hex')),
  ),
});

const damaged = fc
  .record({
    image: fc.constantFrom(...images),
    changes: fc.array(change, { minLength: 1, maxLength: 12 }),
    length: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 4 }),
  })
  .map(({ image, changes, length }) => {
    const copy = Buffer.from(image);
    for (const { at, bytes } of changes) copy.set(bytes, METADATA_START + at);
    return length === null ? copy : copy.subarray(0, Math.floor(copy.length * length));
  });

it('answers any damage with an EngineError, soon', async () => {
  const path = join(folder, 'damaged.iso');
  let slowestMs = 0;
  await fc.assert(
    fc.asyncProperty(damaged, async (image) => {
      writeFileSync(path, image);
      for (const work of [findBootFiles, verifyIso, async (iso: string) => await extractBootFiles(iso, folder)]) {
        const startedMs = performance.now();
        const error: unknown = await work(path).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        if (error !== undefined) expect(error).toBeInstanceOf(EngineError);
        slowestMs = Math.max(slowestMs, performance.now() - startedMs);
      }
    }),
    { numRuns: Number(process.env['FUZZ_RUNS'] ?? 300) },
  );
  expect(slowestMs).toBeLessThan(5000);
}, 600_000);
