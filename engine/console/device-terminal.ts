import { closeSync, constants, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { EngineError } from '../errors';
import { DescriptorStream } from './descriptor-stream';
import type { SerialLine } from './serial-line';
import { openStreamTerminal } from './stream-terminal';

/** A terminal that is there already (`/dev/ttyS0`, one side of a pseudo-terminal), made raw. @throws EngineError HK_DEVICE_FAILED */
export async function openDeviceTerminal(path: string): Promise<SerialLine> {
  const { makeRaw, pollDescriptor } = await import('../../native/pty');
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY);
    if (!isatty(fd)) throw new Error('it is no terminal');
    makeRaw(fd);
    return openStreamTerminal(new DescriptorStream(fd, pollDescriptor));
  } catch (cause) {
    if (fd !== undefined) closeSync(fd);
    throw new EngineError('HK_DEVICE_FAILED', `cannot use ${path} for a serial port: ${(cause as Error).message}`, {
      cause,
    });
  }
}
