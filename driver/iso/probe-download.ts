import { ADVICE_URL, DownloadFault, downloadError, faultOfStatus } from './download-fault';
import { httpGet } from './http-get';

/** Up to the end of the first volume descriptor. */
const PROBE_BYTES = 0x8800;
const STANDARD_ID_OFFSET = 0x8001;

/** As much as it takes to send that many bytes over a slow line. */
const PROBE_TIMEOUT_MS = 30_000;

/**
 * Looks at the first bytes behind a URL, so that a wrong one (an error page, a log-in form, an archive) is found before
 * anything was made. Throws HK_ISO_DOWNLOAD_FAILED.
 */
export async function probeDownload(
  url: string,
  signal: AbortSignal | undefined,
  timeoutMs = PROBE_TIMEOUT_MS,
): Promise<void> {
  try {
    const headers = { Range: `bytes=0-${PROBE_BYTES - 1}` };
    const response = await httpGet(url, { headers, connectTimeoutMs: timeoutMs, stallTimeoutMs: timeoutMs, signal });
    if (response.status !== 200 && response.status !== 206) {
      response.discard();
      throw faultOfStatus(response.status);
    }
    const pieces: Buffer[] = [];
    let length = 0;
    for await (const piece of response.body()) {
      pieces.push(piece);
      length += piece.length;
      if (length >= PROBE_BYTES) break; // the server took no notice of the range
    }
    const start = Buffer.concat(pieces);
    if (start.toString('latin1', STANDARD_ID_OFFSET, STANDARD_ID_OFFSET + 5) !== 'CD001') {
      const type = response.header('content-type');
      throw new DownloadFault(
        `it is not an ISO image${type ? ` (the server calls it ${type})` : ''}`,
        ADVICE_URL,
        false,
      );
    }
  } catch (error) {
    throw downloadError(url, error);
  }
}
