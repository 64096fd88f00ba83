import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import path from 'node:path';
import { getAsset } from 'node:sea';
import { chooseProgram } from './choose-program';
import { PACKING_LIST, type PackedFiles } from './packed-files';
import { checkFolder, unpackOnce } from './unpack';

// The first that runs of the single-file executable (scripts/executable.mjs): Node itself, with all our files as assets.
// They are unpacked once to a folder of the user's, since threads, native modules and machine processes are files to
// Node; from there on the programs are the same as everywhere, and process.execPath, which starts machines, is this file.

function main(): void {
  const packed = JSON.parse(getAsset(PACKING_LIST, 'utf8')) as PackedFiles;
  const { XDG_CACHE_HOME: given = '' } = process.env;
  // Only an absolute one counts (XDG Base Directory Specification): a machine process works in another folder.
  const cache = path.isAbsolute(given) ? given : path.join(homedir(), '.cache');
  const all = path.join(path.normalize(cache), 'docker-machine-driver-hyperkit', 'programs');
  const own = path.join(all, packed.id);
  const { folder, file, words } = chooseProgram(process.argv0, process.argv.slice(2), { all, own });
  if (folder === own) unpackOnce(own, packed, (name) => new Uint8Array(getAsset(name)));
  else checkFolder(folder);
  process.argv = [process.execPath, file, ...words];
  createRequire(file)(file);
}

try {
  main();
} catch (error) {
  process.stderr.write(`${path.basename(process.argv0)}: cannot start: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
