import { stat } from 'node:fs/promises';
import { cachedIsoPath, inspectIso } from '../../iso/cache';
import { builtIso } from '../../lifecycle/iso-request';
import { formatColumns } from '../columns';
import { defineCommand } from '../command';

export const imageLs = defineCommand({
  usage: '',
  describe: 'Lists the guest images (ISOs) that new machines can be made of.',
  options: {},
  async run(_args, { store, output }) {
    const places = [
      { origin: 'cached', path: cachedIsoPath(store.path) },
      { origin: 'built', path: builtIso() },
    ];
    const images = [];
    for (const { origin, path } of places) {
      const finding = await inspectIso(path);
      if (finding.state === 'absent') continue;
      const { size: sizeBytes } = await stat(path);
      const state = finding.state === 'good' ? 'good' : finding.reason;
      images.push({
        origin,
        version: (finding.state === 'good' ? finding.version : undefined) ?? '',
        sizeBytes,
        state,
        path,
      });
    }
    if (output.style.json) output.json(images);
    else if (output.style.quiet) for (const { path } of images) output.print(path);
    else {
      const rows = images.map(({ origin, version, sizeBytes, state, path }) => [
        origin,
        version,
        `${Math.round(sizeBytes / 1e6)} MB`,
        state,
        path,
      ]);
      output.print(formatColumns([['ORIGIN', 'VERSION', 'SIZE', 'STATE', 'PATH'], ...rows]));
    }
    return undefined;
  },
});
