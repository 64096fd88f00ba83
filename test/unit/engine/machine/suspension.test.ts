import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { EngineError } from '../../../../engine/errors';
import type { RunningVm } from '../../../../engine/hypervisors/hypervisor';
import type { SuspendableVm, SuspendRequest } from '../../../../engine/hypervisors/suspendable';
import { draftOf } from '../../../../engine/machine/machine-files';
import { describeExit, readMachineStatus } from '../../../../engine/machine/state';
import {
  dropSuspension,
  isSuspended,
  readSuspension,
  requireSuspension,
  suspendMachine,
} from '../../../../engine/machine/suspension';
import type { VmSpec } from '../../../../engine/spec/vm-spec';
import { temporaryFolder } from '../../../support/temporary-folder';

const TRAITS = { hypervisor: 'qemu', version: '7.2', devices: 'booted' };

let folder = '';
let spec: VmSpec;
beforeEach(() => {
  folder = temporaryFolder();
  const file = (name: string): string => path.join(folder, name);
  for (const name of ['disk', 'iso']) writeFileSync(file(name), name);
  spec = {
    name: 'dev',
    stateDir: file('state'),
    uuid: '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab',
    vcpus: 2,
    memoryMiB: 512,
    boot: { kernel: file('kernel'), initrd: file('initrd'), commandLine: 'quiet' },
    disks: [{ path: file('disk'), readOnly: false }],
    cdroms: [file('iso')],
    network: { bindAddress: '127.0.0.1', forwards: [], macAddress: '52:54:00:12:34:56', hostname: 'dev' },
    hypervisor: 'auto',
    accelerator: 'auto',
  };
  mkdirSync(spec.stateDir);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const never = new AbortController().signal;

/** A VM that writes what it is into the file it is told. */
function savingVm(after: (request: SuspendRequest) => Promise<void> = async ({ keep }) => await keep(TRAITS)) {
  const vm: SuspendableVm = {
    backend: 'fake',
    children: [],
    ports: undefined,
    exited: new Promise(() => undefined),
    powerButton: async () => undefined,
    kill: async () => undefined,
    suspend: async (request) => {
      writeFileSync(request.file, 'memory');
      await after(request);
    },
  };
  return vm;
}

test('a machine is suspended when its state is whole, and then it is read back as it was kept', async () => {
  await suspendMachine(
    savingVm(async ({ keep }) => {
      expect(isSuspended(spec.stateDir)).toBe(false);
      await keep(TRAITS);
    }),
    spec,
    never,
  );
  expect(readdirSync(spec.stateDir).sort()).toEqual(['suspended', 'suspended.json']);
  expect(readFileSync(path.join(spec.stateDir, 'suspended'), 'utf8')).toBe('memory');
  expect(statSync(path.join(spec.stateDir, 'suspended.json')).mode & 0o777).toBe(0o600);
  expect(readSuspension(spec.stateDir)).toMatchObject({ traits: TRAITS });
  expect(requireSuspension(spec)).toMatchObject({ file: path.join(spec.stateDir, 'suspended'), traits: TRAITS });
  expect(await readMachineStatus(spec.stateDir)).toEqual({ state: 'stopped', suspended: true });
});

test('a failure leaves nothing, and passes through', async () => {
  const refusal = new EngineError('HK_SUSPEND_FAILED', 'the disk is full');
  await expect(
    suspendMachine(
      savingVm(() => Promise.reject(refusal)),
      spec,
      never,
    ),
  ).rejects.toBe(refusal);
  expect(readdirSync(spec.stateDir)).toEqual([]);
});

test('what cannot be kept is not there when the guest goes on', async () => {
  // Its description can't take its name.
  mkdirSync(path.join(spec.stateDir, 'suspended.json', 'taken'), { recursive: true });
  const vm = savingVm(async ({ keep }) => {
    const outcome = await keep(TRAITS).catch((error: NodeJS.ErrnoException) => error.code);
    expect(outcome).toMatch(/^E/);
    expect(existsSync(path.join(spec.stateDir, 'suspended'))).toBe(false);
    throw new EngineError('HK_SUSPEND_FAILED', 'not kept');
  });
  await expect(suspendMachine(vm, spec, never)).rejects.toMatchObject({ code: 'HK_SUSPEND_FAILED' });
});

test('a hypervisor that cannot do it refuses before anything happens', async () => {
  const { suspend: _none, ...plain } = savingVm();
  const vm: RunningVm = plain;
  await expect(suspendMachine(vm, spec, never)).rejects.toMatchObject({
    code: 'HK_REQUEST_UNSUPPORTED',
    message: expect.stringContaining('fake has no way to do it'),
  });
  expect(readdirSync(spec.stateDir)).toEqual([]);
});

describe('a suspended machine', () => {
  beforeEach(async () => await suspendMachine(savingVm(), spec, never));

  test.each<[string, (changed: VmSpec) => VmSpec, RegExp]>([
    ['memory', (dev) => ({ ...dev, memoryMiB: 1024 }), /its memory was 512 MiB when .*, and is 1024 MiB now/],
    ['CPUs', (dev) => ({ ...dev, vcpus: 1 }), /number of CPUs was 2/],
    ['disks', (dev) => ({ ...dev, disks: [] }), /disk 0 was .*, and is unknown now/],
    ['address', (dev) => ({ ...dev, network: { ...dev.network, macAddress: '52:54:00:00:00:01' } }), /MAC address/],
  ])('is not resumed with other %s', (_what, change, message) => {
    const refusal = expect.objectContaining({ code: 'HK_RESUME_FAILED', message: expect.stringMatching(message) });
    expect(() => requireSuspension(change(spec))).toThrow(refusal);
  });

  test('is not resumed when its disk was written since, were it only in place', () => {
    const disk = path.join(folder, 'disk');
    writeFileSync(disk, 'DISK');
    utimesSync(disk, new Date(), new Date(Date.now() + 5000));
    expect(() => requireSuspension(spec)).toThrow(/disk 0 was/);
  });

  test.each(['', '{', '{"format":2}', '{"format":1,"traits":{"a":1},"machine":{}}', '[]'])(
    'whose description is %j is not resumed',
    (text) => {
      writeFileSync(path.join(spec.stateDir, 'suspended.json'), text);
      expect(readSuspension(spec.stateDir)).toBeUndefined();
      expect(() => requireSuspension(spec)).toThrow(/no saved state of it, or one that this version does not know/);
      expect(isSuspended(spec.stateDir)).toBe(true);
    },
  );

  test('is dropped with all that is of it, and nothing else', async () => {
    const state = (name: string): string => path.join(spec.stateDir, name);
    writeFileSync(draftOf(state('suspended')), 'half');
    writeFileSync(state('hyperkit.log'), '');
    await dropSuspension(spec.stateDir);
    expect(readdirSync(spec.stateDir)).toEqual(['hyperkit.log']);
    await dropSuspension(spec.stateDir);
    expect(await readMachineStatus(spec.stateDir)).toEqual({ state: 'stopped' });
  });
});

test('how it ended is told', () => {
  expect(describeExit({ kind: 'suspended' })).toBe('the virtual machine was suspended');
});
