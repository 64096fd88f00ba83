import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { KeptFile } from '../../../../engine/machine/kept-file';
import { mountSmallDisk, whyNoMounts } from '../../../support/host';
import { describeWith } from '../../../support/peers';
import { temporaryFolder } from '../../../support/temporary-folder';

function keep(folder: string): { readonly file: KeptFile; readonly content: () => string } {
  const name = path.join(folder, 'state');
  return { file: new KeptFile(name, path.join(folder, 'spare'), 0o644), content: () => readFileSync(name, 'utf8') };
}

test('is replaced as often as one likes, and leaves no spare', () => {
  const folder = temporaryFolder();
  const { file, content } = keep(folder);
  for (const text of ['one', 'two, longer', '3']) {
    file.replace(text);
    expect(content()).toBe(text);
  }
  expect(readdirSync(folder).sort()).toEqual(['spare', 'state']);
  file.close();
  expect(readdirSync(folder)).toEqual(['state']);
});

describeWith('on a disk that is full', [whyNoMounts()], () => {
  let disk: ReturnType<typeof mountSmallDisk>;
  beforeAll(() => {
    disk = mountSmallDisk(4);
  });
  afterAll(() => disk.unmount());

  test('it is replaced by its spare, again and again', () => {
    const { file, content } = keep(disk.path);
    file.replace('before');
    const ballast = path.join(disk.path, 'ballast');
    try {
      execFileSync('dd', ['if=/dev/zero', `of=${ballast}`, 'bs=4k'], { stdio: 'ignore' });
    } catch {
      // It is full.
    }
    expect(() => writeFileSync(path.join(disk.path, 'more'), 'x'.repeat(5000))).toThrow('ENOSPC');
    rmSync(path.join(disk.path, 'more'), { force: true });
    for (const text of ['full', 'still full', 'x'.repeat(3000)]) {
      file.replace(text);
      expect(content()).toBe(text);
    }
    rmSync(ballast);
    file.replace('after');
    expect(content()).toBe('after');
    file.close();
  });
});
