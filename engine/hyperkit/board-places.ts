import path from 'node:path';
import type { WritablePlaces } from '../sandbox/file-rules';
import { boardSerials } from '../spec/board-serials';
import type { BoardSpec, DeviceSpec } from '../spec/board-spec';

/** Where the process of a resolved board writes to from the board's start on: disks, folders of sockets, what it removes. */
export function boardPlaces(board: BoardSpec, pidFile: string | undefined): WritablePlaces {
  const devices = board.slots.map(({ device }) => device);
  const links = boardSerials(board).map(({ spec: { terminal } }) =>
    terminal?.kind === 'autopty' ? terminal.linkPath : undefined,
  );
  return {
    folders: devices.flatMap((device) => (device.kind === 'virtio-sock' ? [device.path] : [])),
    files: devices.flatMap(writableDisk),
    removed: [pidFile, ...links].filter((file) => file !== undefined).map((file) => path.resolve(file)),
  };
}

function writableDisk(device: DeviceSpec): readonly string[] {
  return 'block' in device && !device.block.readOnly ? [device.block.path] : [];
}
