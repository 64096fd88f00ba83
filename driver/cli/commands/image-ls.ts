import { stat } from 'node:fs/promises';
import { type ListedImage, listImages } from '../../../engine/warm/warm-cache';
import { cachedIsoPath, inspectIso } from '../../iso/cache';
import { builtIso } from '../../lifecycle/iso-request';
import { warmCache } from '../../warm/warm-settings';
import { formatColumns } from '../columns';
import { defineCommand } from '../command';

const MIB = 1024 * 1024;

interface ListedIso {
  readonly origin: string;
  readonly version: string;
  readonly sizeBytes: number;
  readonly state: string;
  readonly path: string;
}

export const imageLs = defineCommand({
  usage: '',
  describe: 'Lists the guest images (ISOs) that new machines can be made of, and the warm images they can go on from.',
  options: {},
  async run(_args, { store, output }) {
    const isos = await listIsos(store.path);
    const warm = (await listImages(warmCache())).map(describeWarm);
    if (output.style.json) output.json([...isos, ...warm]);
    else if (output.style.quiet) for (const { path } of [...isos, ...warm]) output.print(path);
    else {
      const rows = isos.map(({ origin, version, sizeBytes, state, path }) => [
        origin,
        version,
        megabytes(sizeBytes),
        state,
        path,
      ]);
      output.print(formatColumns([['ORIGIN', 'VERSION', 'SIZE', 'STATE', 'PATH'], ...rows]));
      if (warm.length > 0) {
        const warmRows = warm.map(({ key, cpus, memoryMiB, diskMiB, usedAt, sizeBytes, state }) => [
          key.slice(0, 12),
          String(cpus ?? ''),
          memoryMiB === undefined ? '' : `${memoryMiB} MiB`,
          diskMiB === undefined ? '' : `${diskMiB} MiB`,
          usedAt?.slice(0, 16).replace('T', ' ') ?? '',
          megabytes(sizeBytes),
          state,
        ]);
        output.print('');
        output.print(
          formatColumns([['WARM IMAGE', 'CPUS', 'MEMORY', 'DISK', 'LAST USED', 'SIZE', 'STATE'], ...warmRows]),
        );
      }
    }
    return undefined;
  },
});

async function listIsos(storePath: string): Promise<readonly ListedIso[]> {
  const places = [
    { origin: 'cached', path: cachedIsoPath(storePath) },
    { origin: 'built', path: builtIso() },
  ];
  const isos: ListedIso[] = [];
  for (const { origin, path } of places) {
    const finding = await inspectIso(path);
    if (finding.state === 'absent') continue;
    const { size: sizeBytes } = await stat(path);
    const state = finding.state === 'good' ? 'good' : finding.reason;
    isos.push({
      origin,
      version: (finding.state === 'good' ? finding.version : undefined) ?? '',
      sizeBytes,
      state,
      path,
    });
  }
  return isos;
}

/** Its size is what it takes of the disk. */
function describeWarm({ key, folder, allocatedBytes, usedAt, check }: ListedImage) {
  const { vcpus, memoryMiB, diskBytes } = check.usable ? check.record.dependencies : {};
  return {
    origin: 'warm',
    key,
    cpus: vcpus,
    memoryMiB,
    diskMiB: diskBytes === undefined ? undefined : diskBytes / MIB,
    usedAt: usedAt?.toISOString(),
    sizeBytes: allocatedBytes,
    state: check.usable ? 'good' : check.problem,
    path: folder,
  };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
