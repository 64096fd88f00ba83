import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { DriverError } from '../../errors';
import { defineCommand } from '../command';

export const imageBuild = defineCommand({
  usage: '[options]',
  describe: 'Builds the guest image (ISO) from Debian packages; new machines are made of it.',
  options: {
    output: { type: 'string', default: '', describe: 'also put the ISO there' },
    cache: { type: 'string', default: '', describe: 'keep downloads and finished ISOs in this folder' },
    refresh: { type: 'boolean', default: false, describe: 'ask the Debian mirror for newer packages' },
  },
  async run({ output: target, cache, refresh }, { programsDir, signal }) {
    const program = path.join(programsDir, '..', 'image', 'build');
    if (!existsSync(program)) {
      throw new DriverError(
        'HK_ISO_MISSING',
        `cannot build the guest image: ${program} is missing; install the package again`,
      );
    }
    const words = [
      ...(target === '' ? [] : ['--output', target]),
      ...(cache === '' ? [] : ['--cache', cache]),
      ...(refresh ? ['--refresh'] : []),
    ];
    return await runToEnd(program, words, signal);
  },
});

/** With our terminal; a signal that ends us reaches it first and it cleans up by itself. */
function runToEnd(program: string, words: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: 'inherit' });
    signal.addEventListener('abort', () => child.kill('SIGTERM'), { once: true });
    child.once('error', reject);
    child.once('exit', (code, name) => resolve(code ?? (name === 'SIGINT' ? 130 : 1)));
  });
}
