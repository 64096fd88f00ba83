import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DriverError } from '../errors';
import { isGithubReleasesUrl } from './github-release';
import { redactUrl } from './redact-url';

/** What `--hyperkit-boot2docker-url` means. */
export type IsoSource =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'github'; readonly url: string }
  | { readonly kind: 'http'; readonly url: string };

/** A URL (http, https, file) or a path; nothing means the cached or our own ISO. Throws HK_FLAG_INVALID. */
export function parseIsoSource(given: string): IsoSource {
  const text = given.trim();
  if (text === '') return { kind: 'default' };
  const [, scheme] = /^([A-Za-z][A-Za-z0-9+.-]*):\/\//.exec(text) ?? [];
  if (scheme === undefined) return { kind: 'file', path: resolve(text.replace(/^file:(?=\/)/i, '')) };
  switch (scheme.toLowerCase()) {
    case 'file':
      return { kind: 'file', path: parseFileUrl(text) };
    case 'http':
    case 'https':
      if (!URL.canParse(text)) throw invalid(text, 'it is not a valid URL');
      return { kind: isGithubReleasesUrl(text) ? 'github' : 'http', url: new URL(text).href };
    default:
      throw invalid(text, `${scheme} is not supported; give an http, https or file URL, or a path`);
  }
}

function parseFileUrl(text: string): string {
  try {
    return fileURLToPath(text);
  } catch (error) {
    throw invalid(text, (error as Error).message);
  }
}

function invalid(text: string, reason: string): DriverError {
  return new DriverError('HK_FLAG_INVALID', `cannot use --hyperkit-boot2docker-url ${redactUrl(text)}: ${reason}`);
}
