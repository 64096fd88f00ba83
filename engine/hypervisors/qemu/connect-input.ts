import type { Duplex } from 'node:stream';
import type { SerialLine } from '../../console/serial-line';

/** What is typed goes to QEMU as fast as its guest takes it. */
export function connectInput(serial: Duplex, line: Pick<SerialLine, 'read' | 'pauseInput' | 'resumeInput'>): void {
  serial.on('drain', () => line.resumeInput());
  line.read((bytes) => {
    if (!serial.destroyed && !serial.write(bytes)) line.pauseInput();
  });
}
