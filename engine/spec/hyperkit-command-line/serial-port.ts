import type { SerialSpec } from '../board-spec';
import { splitOnce } from './comma-list';
import { EXIT_USAGE, HyperkitUsageError } from './usage-error';

/** `-l`'s argument: the port, and what it is connected to as {@link SerialReader.read} takes it. */
export interface PortOption {
  readonly port: 'com1' | 'com2';
  readonly config: string | undefined;
}

/** `com1[,…]` or `com2[,…]`, in either case. @throws HyperkitUsageError with status 64 */
export function parsePort(text: string): PortOption {
  const [name, config] = splitOnce(text, ',');
  const port = name.toLowerCase();
  if (port === 'com1' || port === 'com2') return { port, config };
  throw new HyperkitUsageError(`invalid lpc device configuration '${text}'`, EXIT_USAGE);
}

/** Reads what serial ports are connected to. One for a whole command line, because only one port can have stdio. */
export class SerialReader {
  #stdioTaken = false;

  /**
   * A list of `stdio`, `null`, `autopty[=LINK]`, a device's path, `log=RING` and `asl`; of several terminals the last
   * counts. As in HyperKit, a ring takes a terminal beside it, if only `null`.
   * @param device how HyperKit names the port in its complaint, e.g. `LPC device COM1`.
   * @throws HyperkitUsageError
   */
  read(config: string | undefined, device: string): SerialSpec | undefined {
    if (config === undefined) return undefined;
    const complaint = new HyperkitUsageError(`Unable to initialize backend '${config}' for ${device}`);
    let terminal: SerialSpec['terminal'];
    let ringPath: string | undefined;
    let systemLog = false;
    let connected = false;
    for (const element of config.split(',')) {
      const [name, value] = splitOnce(element, '=');
      if (name === 'log' && value) {
        ringPath = value;
        continue;
      }
      if (element === 'asl') {
        systemLog = true;
        continue;
      }
      connected = true;
      if (element === 'null') terminal = undefined;
      else if (element === 'stdio' && !this.#stdioTaken) {
        this.#stdioTaken = true;
        terminal = { kind: 'stdio' };
      } else if (element === 'autopty') terminal = { kind: 'autopty', linkPath: undefined };
      else if (name === 'autopty' && value) terminal = { kind: 'autopty', linkPath: value };
      else if (element.includes('/') && value === undefined) terminal = { kind: 'device', path: element };
      else throw complaint;
    }
    if (!connected) throw complaint;
    return { terminal, ringPath, systemLog };
  }
}
