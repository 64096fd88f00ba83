import type { SerialLine } from '../../console/serial-line';
import type { SerialLine as NativeLine, RunningBoard } from '../../vmm/board/board-attachments';

/** What the port has no room for waits here, and the line stands still meanwhile. */
export function connectInput(
  board: Pick<RunningBoard, 'typeIn' | 'onTypeReady'>,
  wire: NativeLine,
  line: Pick<SerialLine, 'read' | 'pauseInput' | 'resumeInput'>,
): void {
  let waiting: Uint8Array = new Uint8Array();
  const offer = (bytes: Uint8Array): boolean => {
    waiting = bytes.subarray(board.typeIn(wire, bytes));
    return waiting.length === 0;
  };
  board.onTypeReady(wire, () => {
    if (offer(waiting)) line.resumeInput();
  });
  line.read((bytes) => {
    if (waiting.length > 0) waiting = Buffer.concat([waiting, bytes]);
    else if (!offer(bytes)) line.pauseInput();
  });
}
