import { boardArguments, type QemuBoardHost } from '../../../../engine/hypervisors/qemu/board-arguments';
import type { BoardSpec } from '../../../../engine/spec/board-spec';
import { parseHyperkitCommandLine } from '../../../../engine/spec/hyperkit-command-line/parse-command-line';

const HOST: QemuBoardHost = { accelerator: 'tcg', sandbox: true, nics: [] };

function board(...words: string[]): BoardSpec {
  const command = parseHyperkitCommandLine([...words, '-f', 'kexec,/k,/i,a,b'], 'hyperkit');
  if (command.kind !== 'run') throw new Error(JSON.stringify(command));
  return command.settings.board;
}

test('a board with everything', () => {
  const everything = board(
    ...['-A', '-u', '-c', '2', '-m', '1G', '-U', '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab', '-s', '0:0,hostbridge'],
    ...['-s', '31,lpc', '-s', '1:0,virtio-blk,/a.img,ro', '-s', '1:1,ahci-cd,/c.iso', '-s', '2,virtio-net'],
    ...['-s', '3,virtio-rnd', '-s', '4,ahci-hd,/d.img,sync,sectorsize=512/4096', '-s', '5,uart,null'],
    ...[
      '-s',
      '6,virtio-tap,tap0',
      '-s',
      '7,virtio-console,null',
      '-s',
      '8,virtio-balloon',
      '-l',
      'com1,null',
      '-l',
      'com2,stdio',
    ],
  );
  const nics: QemuBoardHost['nics'] = [
    { kind: 'descriptor', mac: '02:00:00:00:00:01', mtu: 1500 },
    { kind: 'tap', name: 'tap0', mac: '02:00:00:00:00:02' },
  ];
  expect(boardArguments(everything, { ...HOST, nics }).join('\n')).toMatchSnapshot();
});

test.each([
  [['-b'], 'the debug console'],
  [['-g', '99'], 'the debug port'],
  [['-s', '5,virtio-9p,path=/s'], 'virtio-9p (slot 5:0)'],
  [['-s', '5:1,virtio-sock,guest_cid=3,path=/s'], 'virtio-sock (slot 5:1)'],
])('%j is a part of the native engine', (words, what) => {
  expect(() => boardArguments(board(...words), HOST)).toThrow(`cannot offer ${what}`);
});

test('a slot that QEMU’s chipset has', () => {
  expect(() => boardArguments(board('-s', '31:2,virtio-rnd'), HOST)).toThrow(/take another slot/);
});

test('plain MSI takes the vectors away', () => {
  expect(boardArguments(board('-W', '-s', '1,virtio-rnd'), HOST)).toContain(
    'virtio-rng-pci,addr=0x1.0x0,vectors=0,rng=rng-s1f0',
  );
});
