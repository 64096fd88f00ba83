import { version } from '../package.json';

/** The commit the build was made from, when the build says so. */
declare const BUILD_COMMIT: string | undefined;

export const packageVersion: string = version;

export function buildCommit(): string {
  return typeof BUILD_COMMIT === 'string' ? BUILD_COMMIT : 'unknown';
}
