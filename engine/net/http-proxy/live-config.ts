import { EngineError } from '../../errors';
import type { FileReading } from '../../storage/small-file';
import { WatchedFile } from '../watched-file';
import { type HttpProxyConfig, MAX_CONFIG_BYTES, parseHttpProxyConfig, parseHttpProxyJson } from './config';

/** The configuration in force. Replacing it takes effect with the next request, connections stay. */
export interface LiveHttpProxyConfig {
  readonly current: HttpProxyConfig;
  replace(config: HttpProxyConfig): void;
}

/** A configuration that starts as `config`; as nothing to proxy unless given. */
export function createLiveConfig(config: HttpProxyConfig = parseHttpProxyConfig({})): LiveHttpProxyConfig {
  let current = config;
  return {
    get current() {
      return current;
    },
    replace(next) {
      current = next;
    },
  };
}

/**
 * Reads the file into `live`, now and whenever it changes. While there is no file nothing is proxied; a file that can't
 * be used leaves the configuration as it was, with a line of log.
 * @throws EngineError HK_NET_CONFIG_INVALID when the file is there but can't be used at the start.
 */
export function watchConfigFile(file: string, live: LiveHttpProxyConfig, log: (line: string) => void): WatchedFile {
  const start: { failure?: Error; isOver: boolean } = { isOver: false };
  const watched = new WatchedFile(file, {
    maxBytes: MAX_CONFIG_BYTES,
    onReading: (reading) => {
      try {
        live.replace(parseReading(file, reading));
      } catch (error) {
        if (start.isOver) log(`${(error as Error).message}; the one before stays in force`);
        else start.failure = error as Error;
      }
    },
    log,
  });
  start.isOver = true;
  if (start.failure === undefined) return watched;
  watched.close();
  throw start.failure;
}

function parseReading(file: string, reading: FileReading): HttpProxyConfig {
  if ('text' in reading) return parseHttpProxyJson(Buffer.from(reading.text));
  if (reading.code === 'ENOENT') return parseHttpProxyConfig({});
  throw new EngineError('HK_NET_CONFIG_INVALID', `cannot read ${file}: ${reading.problem}`);
}
