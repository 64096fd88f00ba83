import { DriverError } from '../errors';
import { redactUrl } from './redact-url';

/** Why one attempt failed, and whether another may do better. Never leaves this folder: see downloadError. */
export class DownloadFault extends Error {
  override readonly name = 'DownloadFault';

  constructor(
    message: string,
    /** What the user can do about it. */
    readonly advice: string,
    readonly isTransient: boolean,
    options?: { readonly cause?: unknown },
  ) {
    super(message, options);
  }
}

export const ADVICE_NETWORK =
  'check the network and the proxy settings (HTTPS_PROXY, NO_PROXY), or give a local file to --hyperkit-boot2docker-url';
export const ADVICE_URL = 'check --hyperkit-boot2docker-url';
export const ADVICE_SERVER = 'try again later, or give another URL or a local file to --hyperkit-boot2docker-url';

/** Certificate trouble is permanent and has its own remedy. */
const CERTIFICATE_CODE = /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|ERR_TLS/;

/** Sorts out what axios or the connection below it threw. */
export function faultOf(error: unknown): DownloadFault {
  if (error instanceof DownloadFault) return error;
  // What went wrong while following a redirect comes wrapped, once by follow-redirects and once by axios.
  const { cause: inner } = error as { readonly cause?: unknown };
  if (inner instanceof Error && /ERR_FR_REDIRECTION_FAILURE/.test(codeOf(error) + codeOf(inner))) return faultOf(inner);
  const { code = '', message = String(error) } = error as NodeJS.ErrnoException;
  const text = message === '' ? code : message;
  // An AxiosError holds the request with its credentials: only its words go on.
  const cause = new Error(code === '' ? text : `${code}: ${text}`);
  if (code === 'ERR_FR_TOO_MANY_REDIRECTS')
    return new DownloadFault('it redirects without end', ADVICE_URL, false, { cause });
  if (code === 'ENOTFOUND')
    return new DownloadFault(`the host name is unknown (${text})`, ADVICE_NETWORK, false, { cause });
  if (CERTIFICATE_CODE.test(code)) {
    const advice = 'check the date of this computer, or name the certificate authority in NODE_EXTRA_CA_CERTS';
    return new DownloadFault(`its certificate is not accepted (${text})`, advice, false, { cause });
  }
  if (code === 'ERR_INVALID_URL' || code === 'ERR_BAD_OPTION_VALUE')
    return new DownloadFault(text, ADVICE_URL, false, { cause });
  return new DownloadFault(text, ADVICE_NETWORK, true, { cause });
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

/** The fault that an HTTP status is; 2xx are the caller's. */
export function faultOfStatus(status: number): DownloadFault {
  const text = `the server answers with status ${status}`;
  if (status === 404 || status === 410) return new DownloadFault(`${text} (not there)`, ADVICE_URL, false);
  if (status === 407) return new DownloadFault(`${text} (the proxy wants a password)`, ADVICE_NETWORK, false);
  if (status === 401 || status === 403) return new DownloadFault(`${text} (not allowed)`, ADVICE_URL, false);
  if (status === 408 || status === 429 || status >= 500) return new DownloadFault(text, ADVICE_SERVER, true);
  return new DownloadFault(text, ADVICE_URL, false);
}

/** What the user is told in the end. */
export function downloadError(url: string, error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const fault = faultOf(error);
  return new DriverError(
    'HK_ISO_DOWNLOAD_FAILED',
    `cannot download ${redactUrl(url)}: ${fault.message}; ${fault.advice}`,
    {
      cause: fault.cause ?? fault,
    },
  );
}
