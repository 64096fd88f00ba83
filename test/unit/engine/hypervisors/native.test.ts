import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { boardOfMachine } from '../../../../engine/hypervisors/native/board-of-machine';
import { createNativeHypervisor } from '../../../../engine/hypervisors/native/native-hypervisor';
import { NativeVm } from '../../../../engine/hypervisors/native/native-vm';
import type { VmSpec } from '../../../../engine/spec/vm-spec';
import type { BoardExit, RunningBoard } from '../../../../engine/vmm/board/board-attachments';

const spec: VmSpec = {
  name: 'dev',
  stateDir: '/m/dev',
  uuid: '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab',
  vcpus: 2,
  memoryMiB: 1024,
  boot: { kernel: '/m/vmlinuz', initrd: '/m/initrd', commandLine: 'console=ttyS0' },
  disks: [{ path: '/m/disk.img', readOnly: false }],
  cdroms: ['/m/boot2docker.iso'],
  network: { bindAddress: '127.64.0.1', forwards: [], macAddress: '52:54:00:12:34:56', hostname: 'dev' },
  hypervisor: 'auto',
  accelerator: 'auto',
};

test('the board of a machine', () => {
  const board = boardOfMachine(spec, 65_520);
  expect(board).toMatchObject({ vcpus: 2, memoryBytes: 2 ** 30, uuid: spec.uuid, acpi: true, rtc: 'utc' });
  expect(board.firmware).toEqual({ kind: 'kexec', ...spec.boot });
  const block = { format: 'raw', sync: false, sectors: undefined };
  expect(board.slots.map(({ slot, device }) => [slot, device])).toEqual([
    [0, { kind: 'hostbridge', vendor: 'hyperkit' }],
    [1, { kind: 'virtio-net', network: { kind: 'attached', mac: '52:54:00:12:34:56', mtu: 65_520 } }],
    [2, { kind: 'virtio-blk', block: { ...block, path: '/m/disk.img', readOnly: false } }],
    [3, { kind: 'ahci-cd', block: { ...block, path: '/m/boot2docker.iso', readOnly: true } }],
    [4, { kind: 'virtio-rnd' }],
    [31, { kind: 'lpc' }],
  ]);
});

describe('a machine on the native engine', () => {
  /** A board that does as it is told, at once. */
  const makeBoard = () => {
    let end: (exit: BoardExit) => void = () => undefined;
    const calls: string[] = [];
    const board: RunningBoard = {
      acpiEnabled: true,
      powerButton: () => void calls.push('powerButton'),
      pause: async () => void calls.push('pause'),
      resume: async () => void calls.push('resume'),
      kill: async () => end({ kind: 'killed' }),
      typeIn: (_line, bytes) => bytes.length,
      onTypeReady: () => undefined,
      exitCounts: () => [],
      exited: new Promise((resolve) => {
        end = resolve;
      }),
    };
    return { board, calls, end: (exit: BoardExit) => end(exit) };
  };

  test.each<[BoardExit, string]>([
    [{ kind: 'power-off' }, 'power-off'],
    [{ kind: 'reset' }, 'reset'],
    [{ kind: 'triple-fault' }, 'reset'],
    [{ kind: 'halted' }, 'power-off'],
    [{ kind: 'killed' }, 'killed'],
    [{ kind: 'failed', detail: 'why' }, 'failed'],
  ])('%j', async (exit, kind) => {
    const { board, end } = makeBoard();
    const vm = new NativeVm(board);
    end(exit);
    expect(await vm.exited).toMatchObject({ kind });
  });

  test('tells of a pause once, and hears the power button even then', async () => {
    const { board, calls } = makeBoard();
    const vm = new NativeVm(board);
    const states: boolean[] = [];
    vm.onRunState(({ paused }) => states.push(paused));
    await vm.pause();
    await vm.pause();
    await vm.powerButton();
    expect(calls).toEqual(['pause', 'pause', 'resume', 'powerButton']);
    expect(states).toEqual([true, false]);
  });
});

describe('can it run here?', () => {
  const hypervisor = createNativeHypervisor({ machineProgram: '/nowhere' });

  test('not where emulation was asked for', async () => {
    expect(await hypervisor.probe({ accelerator: 'tcg' })).toEqual({
      usable: false,
      reason: 'the native engine runs on KVM only; use the accelerator auto or kvm',
    });
  });

  test('only where KVM has been measured', async () => {
    // Nothing is remembered there, and nobody measures.
    const runtime = process.env.XDG_RUNTIME_DIR;
    const folder = mkdtempSync(path.join(os.tmpdir(), 'hk-native-'));
    process.env.XDG_RUNTIME_DIR = folder;
    const result = await hypervisor.probe({ accelerator: 'auto' });
    if (runtime === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = runtime;
    rmSync(folder, { recursive: true });
    expect(result).toMatchObject({ usable: false, reason: expect.stringMatching(/^KVM: /) as string });
  });
});
