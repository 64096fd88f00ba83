import { EngineError } from '../errors';
import type { IsoEntry } from './directory';
import { IsoImage } from './iso9660';
import { type IsolinuxEntry, readIsolinuxConfig } from './isolinux-config';

/** What an ISO boots: paths are inside the ISO, in the spelling found there. */
export interface BootFiles {
  readonly kernel: string;
  readonly initrd: string;
  /** Kernel arguments of isolinux.cfg without `initrd=`; boot2docker's own when the ISO has no isolinux.cfg. */
  readonly commandLine: string;
  readonly volumeId: string;
}

/** The same with the entries themselves, for those who go on reading the image. */
export interface BootEntries {
  readonly kernel: IsoEntry;
  readonly initrd: IsoEntry;
  readonly commandLine: string;
}

/** boot2docker 18.09 and later. `noembed` moves the root to a tmpfs, without which Docker cannot pivot_root. */
const DEFAULT_COMMAND_LINE =
  'loglevel=3 console=ttyS0 console=tty0 waitusb=5:LABEL=boot2docker-data base norestore noembed';

const CONFIG_PATHS = ['/isolinux/isolinux.cfg', '/boot/isolinux/isolinux.cfg', '/isolinux.cfg'];
const MAX_CONFIG_BYTES = 64 * 1024;

const KERNEL_NAME = /(vmlinu[xz]|bzImage)\d*/i;
const PLAIN_KERNEL_NAME = /^(vmlinuz|bzImage)\d*$/i;
const INITRD_NAME = /initrd/i;
const PLAIN_INITRD_NAME = /^initrd(\.img)?$/i;

/** How many names an error lists. */
const MAX_LISTED = 12;

/** Throws HK_ISO_UNREADABLE, HK_ISO_INVALID or HK_ISO_NO_KERNEL. */
export async function findBootFiles(isoPath: string): Promise<BootFiles> {
  return await IsoImage.with(isoPath, async (image) => {
    const { kernel, initrd, commandLine } = await findBootEntries(image);
    return { kernel: kernel.path, initrd: initrd.path, commandLine, volumeId: image.volumeId };
  });
}

/** Kernel and initrd are files below /boot, told by their names; isolinux.cfg decides when several would do. */
export async function findBootEntries(image: IsoImage): Promise<BootEntries> {
  const config = await readConfig(image);
  const files: IsoEntry[] = [];
  for await (const entry of image.walk('/boot')) {
    if (entry.kind === 'file') files.push(entry);
    if (entry.kind !== 'symlink') continue;
    const target = await image.lookup(entry.path);
    if (target?.kind === 'file') files.push({ ...target, path: entry.path, name: entry.name });
  }
  const initrds = files.filter(({ name }) => INITRD_NAME.test(name));
  const kernels = files.filter(({ name }) => KERNEL_NAME.test(name) && !INITRD_NAME.test(name));
  const kernel = choose(kernels, config.kernel, PLAIN_KERNEL_NAME);
  const initrd = choose(initrds, config.initrd, PLAIN_INITRD_NAME);
  if (kernel === undefined || initrd === undefined) throw await missing(image, files, kernel === undefined);
  for (const file of [kernel, initrd]) {
    image.checkReadable(file);
    if (file.sizeBytes === 0) throw image.invalid(`file ${file.path} is empty`);
  }
  return { kernel, initrd, commandLine: config.commandLine ?? DEFAULT_COMMAND_LINE };
}

async function readConfig(image: IsoImage): Promise<IsolinuxEntry> {
  for (const path of CONFIG_PATHS) {
    const file = await image.lookup(path);
    if (file?.kind === 'file')
      return readIsolinuxConfig((await image.readStart(file, MAX_CONFIG_BYTES)).toString('latin1'));
  }
  return {};
}

/** The one that isolinux.cfg names, else one with the plain name, else the first. */
function choose(files: readonly IsoEntry[], configured: string | undefined, plainName: RegExp): IsoEntry | undefined {
  const wanted = configured?.toLowerCase().replace(/^\/*/, '/');
  return (
    files.find(({ path }) => path.toLowerCase() === wanted) ??
    files.find(({ name }) => plainName.test(name)) ??
    files[0]
  );
}

async function missing(image: IsoImage, files: readonly IsoEntry[], isKernel: boolean): Promise<EngineError> {
  const wanted = isKernel ? 'kernel (vmlinuz… or bzImage…)' : 'initial RAM disk (initrd…)';
  const names = files.map(({ path }) => path.slice('/boot/'.length));
  const top = names.length > 0 ? [] : ((await image.list('/')) ?? []).map(({ name }) => name);
  const found = names.length > 0 ? `there, only ${enumerate(names)}` : `there; at the top it has ${enumerate(top)}`;
  return new EngineError(
    'HK_ISO_NO_KERNEL',
    `cannot boot ISO ${image.path} (volume ${JSON.stringify(image.volumeId)}): no ${wanted} below /boot ${found}; use a boot2docker-compatible ISO`,
  );
}

function enumerate(names: readonly string[]): string {
  if (names.length === 0) return 'nothing';
  const listed = names.slice(0, MAX_LISTED).map((name) => JSON.stringify(name));
  return names.length > MAX_LISTED ? `${listed.join(', ')} and ${names.length - MAX_LISTED} more` : listed.join(', ');
}
