import { listImages, removeImage } from '../../../engine/warm/warm-cache';
import { DriverError } from '../../errors';
import { warmCache } from '../../warm/warm-settings';
import { defineCommand } from '../command';

export const imageRm = defineCommand({
  usage: '[--all] [image...]',
  describe: 'Deletes warm images. Machines that came from them keep running.',
  options: {
    all: { type: 'boolean', default: false, describe: 'all of them' },
  },
  async run({ operands, all }, { output }) {
    const cache = warmCache();
    const images = (await listImages(cache)).map(({ key }) => key);
    if (!all && operands.length === 0) {
      throw new DriverError(
        'HK_USAGE',
        '"hyperkit image rm" needs images; "hyperkit image ls" lists them, --all is all',
      );
    }
    const wanted = all ? images : operands.map((operand) => findKey(operand, images));
    for (const key of wanted) {
      await removeImage(cache, key);
      output.say(`Removed ${key}`);
    }
    if (output.style.json) output.json(wanted.map((key) => ({ key, removed: true })));
    return undefined;
  },
});

/** A key, or as much of its beginning as only one has. */
function findKey(operand: string, keys: readonly string[]): string {
  const found = keys.filter((key) => operand !== '' && key.startsWith(operand));
  const [key] = found;
  if (key !== undefined && found.length === 1) return key;
  const count = found.length === 0 ? 'no warm image begins' : `${found.length} warm images begin`;
  throw new DriverError('HK_USAGE', `${count} with "${operand}"; "hyperkit image ls" lists them`);
}
