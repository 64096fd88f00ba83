import { ADVICE_NETWORK, ADVICE_URL, DownloadFault, downloadError, faultOfStatus } from './download-fault';
import { httpGet } from './http-get';

const MAX_ANSWER_BYTES = 4 * 1024 * 1024;
const TIMEOUT_MS = 30_000;

/** `https://api.github.com/repos/O/R/releases…`, or the same below `/api/v3` on a GitHub server of one's own. */
const RELEASES_URL =
  /^(?:https:\/\/api\.github\.com|(https?:\/\/[^/]+)\/api\/v3)\/repos\/([^/]+)\/([^/]+)\/releases(?:[/?].*)?$/;

export interface GithubIso {
  readonly url: string;
  readonly tag: string;
}

export function isGithubReleasesUrl(url: string): boolean {
  return RELEASES_URL.test(url);
}

/** Finds the newest release's ISO. Throws HK_ISO_DOWNLOAD_FAILED. */
export async function findGithubIso(
  url: string,
  token: string | undefined,
  signal: AbortSignal | undefined,
): Promise<GithubIso> {
  try {
    const headers = { Accept: 'application/vnd.github+json', ...(token ? { Authorization: `token ${token}` } : {}) };
    const response = await httpGet(url, { headers, connectTimeoutMs: TIMEOUT_MS, stallTimeoutMs: TIMEOUT_MS, signal });
    if (response.status !== 200) {
      response.discard();
      throw response.status === 403 || response.status === 429
        ? new DownloadFault(`GitHub refuses (status ${response.status}, its rate limit perhaps)`, ADVICE_LIMIT, false)
        : faultOfStatus(response.status);
    }
    let text = '';
    for await (const piece of response.body()) {
      text += piece.toString('utf8');
      if (text.length > MAX_ANSWER_BYTES) throw new DownloadFault('the answer has no end', ADVICE_URL, false);
    }
    return pickIso(url, text);
  } catch (error) {
    throw downloadError(url, error);
  }
}

const ADVICE_LIMIT = 'wait an hour, give --github-api-token, or name the ISO itself in --hyperkit-boot2docker-url';

interface Release {
  readonly tag: string;
  readonly isFinal: boolean;
  readonly isoUrl: string | undefined;
}

function pickIso(url: string, text: string): GithubIso {
  const releases = parseReleases(text);
  // GitHub lists the newest first.
  const newest = releases.find(({ isFinal }) => isFinal) ?? releases[0];
  if (newest === undefined) throw new DownloadFault('the answer names no release', ADVICE_URL, false);
  const [, server = 'https://github.com', owner, repository] = RELEASES_URL.exec(url)!;
  const conventional = `${server}/${owner}/${repository}/releases/download/${encodeURIComponent(newest.tag)}/boot2docker.iso`;
  return { url: newest.isoUrl ?? conventional, tag: newest.tag };
}

function parseReleases(text: string): readonly Release[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (error) {
    throw new DownloadFault('the answer is not JSON, so this is not the GitHub API', ADVICE_NETWORK, false, {
      cause: error,
    });
  }
  const list = Array.isArray(answer) ? (answer as unknown[]) : [answer];
  return list.flatMap((item) => {
    const { tag_name: tag, draft, prerelease, assets } = (item ?? {}) as Record<string, unknown>;
    if (typeof tag !== 'string' || tag === '') return [];
    return [{ tag, isFinal: draft !== true && prerelease !== true, isoUrl: findAsset(assets) }];
  });
}

/** boot2docker.iso if there is one, else the only other ISO. */
function findAsset(assets: unknown): string | undefined {
  const isos = (Array.isArray(assets) ? (assets as unknown[]) : []).flatMap((asset) => {
    const { name, browser_download_url: url } = (asset ?? {}) as Record<string, unknown>;
    return typeof name === 'string' && typeof url === 'string' && /\.iso$/i.test(name) && /^https?:/.test(url)
      ? [{ name, url }]
      : [];
  });
  return (isos.find(({ name }) => name === 'boot2docker.iso') ?? (isos.length === 1 ? isos[0] : undefined))?.url;
}
