import type { FileHandle } from 'node:fs/promises';
import { ADVICE_SERVER, ADVICE_URL, DownloadFault, faultOfStatus } from './download-fault';
import { type HttpResponse, httpGet } from './http-get';
import type { ContentIdentity, PartialFile, ResumePoint } from './partial-file';
import { guardStore } from './store-error';

export interface DownloadProgress {
  readonly receivedBytes: number;
  readonly totalBytes: number | undefined;
  /** Mean of this attempt. */
  readonly bytesPerSecond: number;
}

export interface AttemptOptions {
  readonly connectTimeoutMs: number;
  readonly stallTimeoutMs: number;
  readonly progressIntervalMs: number;
  readonly maxBytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** What a response is worth: where its bytes go, and how many there are in all. */
interface Delivery {
  readonly offset: number;
  readonly totalBytes: number | undefined;
  readonly identity: ContentIdentity | undefined;
}

/**
 * One request: gets what is missing of the partial file, or all of it when the server has something else by now.
 * Returns when the file is complete; throws DownloadFault (what arrived stays for the next attempt) or DriverError.
 */
export async function fetchPart(url: string, part: PartialFile, options: AttemptOptions): Promise<void> {
  const resume = await part.findResumePoint(url);
  if (resume !== undefined && resume.offset === resume.totalBytes) return;
  const response = await httpGet(url, { ...options, headers: resume === undefined ? {} : rangeHeaders(resume) });
  try {
    const delivery = await judge(url, response, part, resume);
    checkSize(delivery.totalBytes, options.maxBytes);
    const file = await part.begin(delivery.identity, delivery.offset);
    try {
      await store(response, file, part.path, delivery, options);
    } finally {
      await file.close();
    }
  } finally {
    response.discard();
  }
}

function rangeHeaders(resume: ResumePoint): Record<string, string> {
  return { Range: `bytes=${resume.offset}-`, 'If-Range': resume.validator };
}

async function judge(
  url: string,
  response: HttpResponse,
  part: PartialFile,
  resume: ResumePoint | undefined,
): Promise<Delivery> {
  const { status } = response;
  const encoding = response.header('content-encoding') ?? 'identity';
  if (encoding !== 'identity')
    throw new DownloadFault(`the server sends it compressed (${encoding})`, ADVICE_URL, false);
  if (status === 200) {
    const totalBytes = parseLength(response.header('content-length'));
    return { offset: 0, totalBytes, identity: identify(url, response, totalBytes) };
  }
  if (status === 206 && resume !== undefined) {
    const range = parseContentRange(response.header('content-range'));
    const validator = validatorOf(response);
    const isSame = validator === undefined || validator === resume.validator;
    const fits =
      range?.start === resume.offset && (resume.totalBytes === undefined || range.totalBytes === resume.totalBytes);
    if (isSame && fits) return { offset: resume.offset, totalBytes: range.totalBytes, identity: resume };
  }
  if ((status === 206 || status === 416) && resume !== undefined) {
    await part.discard();
    throw new DownloadFault('the file on the server is another one by now', ADVICE_SERVER, true);
  }
  if (status === 206) throw new DownloadFault('the server sends a part where all was asked for', ADVICE_SERVER, false);
  throw faultOfStatus(status);
}

async function store(
  response: HttpResponse,
  file: FileHandle,
  path: string,
  { offset, totalBytes }: Delivery,
  options: AttemptOptions,
): Promise<void> {
  const startedMs = performance.now();
  let reportedMs = startedMs;
  let receivedBytes = offset;
  const report = () => {
    const seconds = Math.max(performance.now() - startedMs, 1) / 1000;
    options.onProgress?.({ receivedBytes, totalBytes, bytesPerSecond: (receivedBytes - offset) / seconds });
  };
  for await (const piece of response.body()) {
    checkSize(receivedBytes + piece.length, Math.min(options.maxBytes, totalBytes ?? Number.MAX_SAFE_INTEGER));
    await guardStore(path, async () => await writeAll(file, piece, receivedBytes));
    receivedBytes += piece.length;
    if (performance.now() - reportedMs < options.progressIntervalMs) continue;
    reportedMs = performance.now();
    report();
  }
  if (totalBytes !== undefined && receivedBytes !== totalBytes) {
    throw new DownloadFault(`it ended after ${receivedBytes} of ${totalBytes} bytes`, ADVICE_SERVER, true);
  }
  report();
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

function checkSize(bytes: number | undefined, maxBytes: number): void {
  if (bytes === undefined || bytes <= maxBytes) return;
  throw new DownloadFault(`it is larger than ${maxBytes} bytes`, ADVICE_URL, false);
}

function identify(url: string, response: HttpResponse, totalBytes: number | undefined): ContentIdentity | undefined {
  const validator = validatorOf(response);
  return validator === undefined ? undefined : { url, validator, totalBytes };
}

/** Weak ETags stand for "means the same", not for the same bytes. */
function validatorOf(response: HttpResponse): string | undefined {
  const etag = response.header('etag');
  return etag?.startsWith('"') ? etag : response.header('last-modified');
}

function parseLength(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function parseContentRange(text: string | undefined): { start: number; totalBytes: number | undefined } | undefined {
  const [, start, total] = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/.exec(text ?? '') ?? [];
  return start === undefined ? undefined : { start: Number(start), totalBytes: parseLength(total) };
}
