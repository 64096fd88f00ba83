import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** Loaded at run time from where it is installed, so no bundle names it. */
const BESIDE_THE_BUNDLES = ['node_modules/koffi'];

/**
 * The licence texts of all packages that are part of what is shipped, as their authors ask for.
 * @param inputs the files that esbuild has read, relative to `root`
 */
export async function readLicences(root, inputs) {
  const folders = inputs.flatMap((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? []);
  const texts = [...new Set([...folders, ...BESIDE_THE_BUNDLES])].sort().map(async (folder) => {
    const { name, version, license, licenses } = JSON.parse(
      await readFile(path.join(root, folder, 'package.json'), 'utf8'),
    );
    const file = (await readdir(path.join(root, folder))).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
    const text = file === undefined ? '' : await readFile(path.join(root, folder, file), 'utf8');
    return `${name} ${version}: ${license ?? licenses.map(({ type }) => type).join(', ')}\n\n${text.trim()}\n`;
  });
  const line = `\n${'-'.repeat(78)}\n\n`;
  return [
    'Parts of other projects that these programs contain, and their licences.\n',
    ...(await Promise.all(texts)),
  ].join(line);
}
