import { accessSync, constants } from 'node:fs';
import { findOnPath } from '../../engine/hypervisors/qemu/find-qemu';
import { cachedIsoPath, inspectIso } from '../iso/cache';
import { builtIso } from '../lifecycle/iso-request';
import type { Finding } from './finding';

/** What image/build needs and the Debian package of each, as image/lib/tools.sh has them. */
const BUILD_TOOLS: Readonly<Record<string, string>> = {
  mmdebstrap: 'mmdebstrap',
  mksquashfs: 'squashfs-tools',
  xorriso: 'xorriso',
  '/usr/lib/ISOLINUX/isolinux.bin': 'isolinux',
  '/usr/lib/syslinux/modules/bios/ldlinux.c32': 'syslinux-common',
  zstd: 'zstd',
  xz: 'xz-utils',
  strip: 'binutils',
  flock: 'util-linux',
};

/** What new machines boot from, and whether it could be built here. */
export async function checkImages(storePath: string): Promise<readonly Finding[]> {
  return [await checkIso(storePath), checkBuildTools()];
}

async function checkIso(storePath: string): Promise<Finding> {
  const subject = 'guest image';
  const mend = 'hyperkit image build';
  const damaged: string[] = [];
  for (const file of [cachedIsoPath(storePath), builtIso()]) {
    const found = await inspectIso(file);
    if (found.state === 'good') {
      return { subject, level: 'ok', text: `${file}, Docker ${found.version ?? 'of unknown version'}` };
    }
    if (found.state === 'bad') damaged.push(found.reason);
  }
  if (damaged.length > 0) return { subject, level: 'fail', text: damaged.join('; '), mend };
  return {
    subject,
    level: 'warn',
    text: 'there is none yet; create needs --hyperkit-boot2docker-url until it is built',
    mend,
  };
}

function checkBuildTools(): Finding {
  const subject = 'image build';
  const missing = Object.keys(BUILD_TOOLS).filter((tool) => !isThere(tool));
  if (missing.length === 0) return { subject, level: 'ok', text: 'its programs are here' };
  const packages = [...new Set(missing.map((tool) => BUILD_TOOLS[tool]))].join(' ');
  const text = `not possible here without ${missing.join(', ')}; only needed to build the guest image`;
  return { subject, level: 'warn', text, mend: `sudo apt-get install ${packages}` };
}

function isThere(tool: string): boolean {
  if (!tool.startsWith('/')) return findOnPath(tool, process.env['PATH']) !== undefined;
  try {
    accessSync(tool, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
