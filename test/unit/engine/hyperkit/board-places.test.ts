import { boardPlaces } from '../../../../engine/hyperkit/board-places';
import { boardSpec } from '../../../support/vmm/board';

const block = (path: string, readOnly: boolean) =>
  ({ path, format: 'raw', readOnly, sync: false, sectors: undefined }) as const;
const serial = (linkPath: string | undefined) =>
  ({ terminal: { kind: 'autopty', linkPath }, ringPath: '/rings/1', systemLog: false }) as const;

test('a board writes to its disks and to folders of sockets, and removes its pid file and its links', () => {
  const firmware = { kind: 'bootrom', image: '/rom' } as const;
  const board = boardSpec(firmware, {
    slots: [
      { slot: 1, func: 0, device: { kind: 'virtio-blk', block: block('/disks/one', false) } },
      { slot: 2, func: 0, device: { kind: 'virtio-blk', block: block('/disks/two', true) } },
      { slot: 3, func: 0, device: { kind: 'ahci-hd', block: block('/dev/three', false) } },
      { slot: 4, func: 0, device: { kind: 'virtio-sock', path: '/sockets', guestCid: 3, guestForwards: [] } },
      { slot: 5, func: 0, device: { kind: 'virtio-rnd' } },
      { slot: 6, func: 0, device: { kind: 'uart', serial: serial('/links/card') } },
    ],
    com1: serial('/links/com1'),
    com2: serial(undefined),
  });
  expect(boardPlaces(board, '/run/pid')).toEqual({
    folders: ['/sockets'],
    files: ['/disks/one', '/dev/three'],
    removed: ['/run/pid', '/links/com1', '/links/card'],
  });
  expect(boardPlaces(boardSpec(firmware), undefined)).toEqual({ folders: [], files: [], removed: [] });
});
