import path from 'node:path';
import type { SerialSpec } from '../spec/board-spec';
import type { BoundedOutput } from './bounded-output';
import { openDeviceTerminal } from './device-terminal';
import { openPtyTerminal } from './pty-terminal';
import { ConsoleRing } from './ring';
import { type SerialLine, UNCONNECTED } from './serial-line';
import { openStdioTerminal } from './stdio-terminal';
import { openSystemLog } from './system-log';
import { openTcpTerminal } from './tcp-terminal';

/** Opens what serial ports are connected to. One for a process: it has one stdin, and ports may share a ring. */
export class SerialLines {
  readonly #stdout: BoundedOutput;
  readonly #rings = new Map<string, ConsoleRing>();
  readonly #open: SerialLine[] = [];

  /** @param stdout where `stdio` writes to, and the lines that tell where a pseudo-terminal is. */
  constructor(stdout: BoundedOutput) {
    this.#stdout = stdout;
  }

  /**
   * @param name of the port, as people are told, e.g. `COM1`.
   * @throws EngineError HK_DEVICE_FAILED, NativeError, and errors of the file system.
   */
  async open(spec: SerialSpec, name: string): Promise<SerialLine> {
    const terminal = await this.#openTerminal(spec.terminal, name);
    this.#open.push(terminal);
    const ring = spec.ringPath === undefined ? undefined : this.#ring(spec.ringPath);
    const log = spec.systemLog ? openSystemLog(`hyperkit.${name}`) : undefined;
    if (log !== undefined) this.#open.push({ ...UNCONNECTED, close: log.close });
    return {
      ...terminal,
      write: (bytes) => {
        ring?.write(bytes);
        log?.write(bytes);
        terminal.write(bytes);
      },
    };
  }

  /** A debugger's connection; resolves when there is one. @throws EngineError HK_DEVICE_FAILED */
  async waitForDebugger(port: number, signal: AbortSignal): Promise<SerialLine> {
    const line = await openTcpTerminal(port, signal);
    this.#open.push(line);
    return line;
  }

  /** Closes them all; to be called on every way out. */
  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map(async (line) => await line.close()));
    for (const ring of this.#rings.values()) ring.close();
    this.#rings.clear();
  }

  async #openTerminal(terminal: SerialSpec['terminal'], name: string): Promise<SerialLine> {
    switch (terminal?.kind) {
      case undefined:
        return UNCONNECTED;
      case 'stdio':
        return openStdioTerminal(this.#stdout);
      case 'device':
        return await openDeviceTerminal(terminal.path);
      case 'autopty': {
        const { linkPath } = terminal;
        const { line, slavePath } = await openPtyTerminal(linkPath);
        if (linkPath !== undefined) this.#stdout.write(`linkname ${linkPath}\n`);
        this.#stdout.write(`${name} connected to ${slavePath}\n`);
        return line;
      }
    }
  }

  /** HyperKit's Go binding gives several ports the same ring. */
  #ring(file: string): ConsoleRing {
    const key = path.resolve(file);
    const ring = this.#rings.get(key) ?? new ConsoleRing(key);
    this.#rings.set(key, ring);
    return ring;
  }
}
