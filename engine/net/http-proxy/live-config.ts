import { type FSWatcher, watch } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { EngineError } from '../../errors';
import { type HttpProxyConfig, MAX_CONFIG_BYTES, parseHttpProxyConfig, parseHttpProxyJson } from './config';

/** Editors and atomic writers touch a file several times in a row. */
const SETTLE_MS = 50;

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

/** A watched file's owner. */
export interface ConfigWatch {
  close(): void;
}

/**
 * Reads the file into `live`, now and whenever it changes. While there is no file nothing is proxied; a file that can't
 * be used leaves the configuration as it was, with a line of log.
 * @throws EngineError HK_NET_CONFIG_INVALID when the file is there but can't be used at the start.
 */
export async function watchConfigFile(
  file: string,
  live: LiveHttpProxyConfig,
  log: (line: string) => void,
): Promise<ConfigWatch> {
  let closed = false;
  let settling: NodeJS.Timeout | undefined;
  let reading: Promise<void> = Promise.resolve();
  const read = async (): Promise<void> => {
    const config = await readConfigFile(file);
    if (!closed) live.replace(config);
  };
  const changed = (): void => {
    clearTimeout(settling);
    settling = setTimeout(() => {
      reading = reading.then(read).catch((error: Error) => log(`${error.message}; the one before stays in force`));
    }, SETTLE_MS);
    settling.unref();
  };

  const watcher = watchFolder(path.dirname(file), path.basename(file), changed, log);
  try {
    await read();
  } catch (error) {
    watcher?.close();
    throw error;
  }
  return {
    close() {
      closed = true;
      clearTimeout(settling);
      watcher?.close();
    },
  };
}

/** The folder is watched: a file that is replaced by renaming is another file. */
function watchFolder(
  folder: string,
  name: string,
  changed: () => void,
  log: (line: string) => void,
): FSWatcher | undefined {
  const lost = (error: Error): void => log(`cannot watch ${path.join(folder, name)}: ${error.message}`);
  try {
    const watcher = watch(folder, { persistent: false }, (_event, touched) => {
      if (touched === null || touched === name) changed();
    });
    watcher.on('error', (error: Error) => {
      lost(error);
      watcher.close();
    });
    return watcher;
  } catch (error) {
    lost(error as Error);
    return undefined;
  }
}

async function readConfigFile(file: string): Promise<HttpProxyConfig> {
  let bytes: Uint8Array;
  try {
    bytes = await readStart(file, MAX_CONFIG_BYTES + 1);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return parseHttpProxyConfig({});
    throw new EngineError('HK_NET_CONFIG_INVALID', `cannot read ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return parseHttpProxyJson(bytes);
}

async function readStart(file: string, limit: number): Promise<Uint8Array> {
  const handle = await open(file, 'r');
  try {
    const bytes = Buffer.alloc(limit);
    let length = 0;
    for (let more = 1; more > 0; length += more) {
      more = (await handle.read(bytes, length, limit - length)).bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await handle.close();
  }
}
