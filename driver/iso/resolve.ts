import { join } from 'node:path';
import { verifyIso } from '../../engine/boot/verify-iso';
import { versionOfVolume } from '../../engine/boot/volume-version';
import { fileIdentity } from '../../engine/warm/iso-digest';
import type { Logger } from '../contract/logger';
import { DriverError } from '../errors';
import { checkSha256 } from './checksum';
import { copyIso } from './copy-iso';
import { planDefaultIso } from './default-iso';
import { downloadFile } from './download';
import type { DownloadProgress } from './download-attempt';
import { findGithubIso } from './github-release';
import type { InstalledIso, IsoPlan, IsoRequest } from './iso-plan';
import { parseIsoSource } from './iso-source';
import { probeDownload } from './probe-download';
import { redactUrl } from './redact-url';

export type { InstalledIso, IsoPlan, IsoRequest } from './iso-plan';

/** Name of the ISO in the machine's folder; docker-machine's `upgrade` writes to the same. */
const MACHINE_ISO = 'boot2docker.iso';

const PROGRESS_INTERVAL_MS = 5000;

/**
 * PreCreateCheck: decides where the ISO comes from, and finds out early what can be wrong with it. Offline first: only
 * an http(s) URL makes it use the network. Writes nothing outside the cache.
 *
 * Throws HK_FLAG_INVALID, HK_ISO_MISSING, HK_ISO_DOWNLOAD_FAILED, HK_DISK_FULL, and the engine's HK_ISO_… errors.
 */
export async function planIso(request: IsoRequest): Promise<IsoPlan> {
  const source = parseIsoSource(request.url);
  switch (source.kind) {
    case 'default':
      return await planDefaultIso(request);
    case 'file':
      return await planFile(source.path, request);
    case 'github': {
      const { url, tag } = await findGithubIso(source.url, request.githubToken, request.signal);
      await probeDownload(url, request.signal);
      return { kind: 'download', url, version: tag };
    }
    case 'http':
      await probeDownload(source.url, request.signal);
      return { kind: 'download', url: source.url, version: undefined };
  }
}

/**
 * Create: puts boot2docker.iso into the machine's folder (which exists), where later changes of the cache do not reach
 * it. Throws what planIso throws, and HK_STORE_UNWRITABLE.
 */
export async function installIso(plan: IsoPlan, machineDir: string, request: IsoRequest): Promise<InstalledIso> {
  const path = join(machineDir, MACHINE_ISO);
  const source = plan.kind === 'download' ? undefined : await copyUnchanged(plan.path, path);
  if (plan.kind === 'download') await download(plan.url, path, request);
  const { volumeId } = await verifyIso(path);
  return { path, version: versionOfVolume(volumeId) ?? plan.version, source };
}

/** Answers the source unless somebody wrote to it meanwhile. */
async function copyUnchanged(source: string, target: string): Promise<string | undefined> {
  const before = await fileIdentity(source).catch(() => undefined);
  await copyIso(source, target);
  const after = await fileIdentity(source).catch(() => undefined);
  return before !== undefined && before === after ? source : undefined;
}

async function planFile(path: string, request: IsoRequest): Promise<IsoPlan> {
  const { volumeId } = await verifyIso(path);
  if (request.expectedSha256 !== undefined) {
    const actual = await checkSha256(path, request.expectedSha256);
    if (actual !== undefined) {
      throw new DriverError(
        'HK_FLAG_INVALID',
        `cannot use ISO ${path}: its SHA-256 is ${actual}, not ${request.expectedSha256}`,
      );
    }
  }
  return { kind: 'file', path, version: versionOfVolume(volumeId) };
}

async function download(url: string, target: string, { expectedSha256, logger, signal }: IsoRequest): Promise<void> {
  logger.info(`Downloading ${redactUrl(url)}...`);
  await downloadFile(url, target, {
    expectedSha256,
    signal,
    timing: { progressIntervalMs: PROGRESS_INTERVAL_MS },
    onProgress: (progress) => logProgress(logger, progress),
    onRetry: (reason) => logger.warn(`The download was interrupted: ${reason}; trying again`),
    // A URL of the wrong thing, or a file that is damaged at its source.
    verify: async (path) => void (await verifyIso(path)),
  });
}

function logProgress(logger: Logger, { receivedBytes, totalBytes, bytesPerSecond }: DownloadProgress): void {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const total = totalBytes === undefined ? '' : ` of ${megabytes(totalBytes)}`;
  logger.info(`${megabytes(receivedBytes)}${total} MB (${megabytes(bytesPerSecond)} MB/s)`);
}
