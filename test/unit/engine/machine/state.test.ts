import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { claimMachine, findClaimant, identifyOwnProcess } from '../../../../engine/machine/claim';
import { cleanState, killMachine, pressPowerButton, waitForExit } from '../../../../engine/machine/control';
import { identifyProcess, isSameProcess } from '../../../../engine/machine/process-identity';
import { decodeReport, encodeReport, toEngineError } from '../../../../engine/machine/report';
import { ResetGuard } from '../../../../engine/machine/reset-guard';
import { decodeRuntimeState } from '../../../../engine/machine/runtime-state';
import { readMachineStatus } from '../../../../engine/machine/state';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'hk-state-'));
  file = path.join(folder, 'machine-state.json');
});
afterEach(() => rmSync(folder, { recursive: true }));

async function liveState(): Promise<Record<string, unknown>> {
  const own = await identifyOwnProcess();
  return {
    ...own,
    state: 'running',
    startedAt: '2026-01-01T00:00:00.000Z',
    backend: 'qemu/tcg',
    ports: [],
    resets: 0,
    children: [],
  };
}

describe('process identity', () => {
  test('this process is itself and no other', async () => {
    const own = await identifyOwnProcess();
    expect(own.pid).toBe(process.pid);
    expect(await isSameProcess(own)).toBe(true);
    expect(await isSameProcess({ ...own, startTime: `${own.startTime}1` })).toBe(false);
    expect(await isSameProcess({ ...own, bootId: 'another' })).toBe(false);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 31])('%p is nobody', async (pid) => {
    expect(await identifyProcess(pid)).toBeUndefined();
  });
});

describe('machine status', () => {
  test('a living process with its start time runs', async () => {
    writeFileSync(file, JSON.stringify(await liveState()));
    expect(await readMachineStatus(folder)).toMatchObject({ state: 'running', pid: process.pid, backend: 'qemu/tcg' });
  });

  test('the same pid with another start time does not', async () => {
    writeFileSync(file, JSON.stringify({ ...(await liveState()), startTime: '1' }));
    expect(await readMachineStatus(folder)).toMatchObject({ state: 'stopped', lastExit: { kind: 'failed' } });
    await pressPowerButton(folder);
    await killMachine(folder);
    expect(await waitForExit(folder, 10)).toBe(true);
  });

  test.each([
    ['nothing', () => undefined],
    ['an empty file', () => writeFileSync(file, '')],
    ['half a file', () => writeFileSync(file, '{"state":"running","pid":12')],
    ['zeroes', () => writeFileSync(file, Buffer.alloc(4096))],
    ['a huge file', () => writeFileSync(file, `{"state":"stopped","x":"${'x'.repeat(100_000)}"}`)],
    ['a folder', () => mkdirSync(file)],
    ['a FIFO', () => execFileSync('mkfifo', [file])],
    ['an endless device', () => symlinkSync('/dev/zero', file)],
    ['a link to itself', () => symlinkSync(file, file)],
    ['pid 1', () => writeFileSync(file, '{"state":"running","pid":1,"startTime":"1"}')],
    ['a negative pid', () => writeFileSync(file, '{"state":"running","pid":-1,"startTime":"1"}')],
  ])('%s means stopped', async (_what, prepare) => {
    prepare();
    expect(await readMachineStatus(folder)).toEqual({ state: 'stopped' });
    await cleanState(folder);
    await killMachine(folder);
  });

  test('a folder that does not exist means stopped', async () => {
    const nowhere = path.join(folder, 'nowhere');
    expect(await readMachineStatus(nowhere)).toEqual({ state: 'stopped' });
    await killMachine(nowhere);
    await cleanState(nowhere);
    await pressPowerButton(nowhere);
    expect(await waitForExit(nowhere, 10)).toBe(true);
  });

  test('any JSON is a state or none', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('state', 'pid', 'startTime', 'bootId', 'children', 'lastExit', 'resets'),
          fc.jsonValue(),
        ),
        (json) => {
          decodeRuntimeState(json);
        },
      ),
    );
  });

  test('drafts of the past are swept, other files are not', async () => {
    const draft = path.join(folder, '.hyperkit.json.0123456789ab.draft');
    writeFileSync(draft, '');
    execFileSync('touch', ['-d', '1 hour ago', draft]);
    writeFileSync(path.join(folder, '.hyperkit.json.0123456789ac.draft'), '');
    for (const name of ['hyperkit.pid', 'config.json', 'console.log']) writeFileSync(path.join(folder, name), '1');
    await cleanState(folder);
    expect(readdirSync(folder).sort()).toEqual(['.hyperkit.json.0123456789ac.draft', 'config.json', 'console.log']);
  });
});

describe('claims', () => {
  test('one holder at a time; a dead one is followed', async () => {
    const own = await identifyOwnProcess();
    expect(await findClaimant(folder)).toBeUndefined();
    await claimMachine(folder, { ...own, startTime: '1' });
    expect(await findClaimant(folder)).toBeUndefined();
    await claimMachine(folder, own);
    expect(await findClaimant(folder)).toEqual(own);
    await expect(claimMachine(folder, own)).rejects.toMatchObject({ code: 'HK_MACHINE_RUNNING' });
  });

  test('only the last two numbers are kept', async () => {
    const dead = { ...(await identifyOwnProcess()), startTime: '1' };
    for (let turn = 0; turn < 5; turn++) await claimMachine(folder, dead);
    expect(readdirSync(folder).sort()).toEqual(['machine-claim.4', 'machine-claim.5']);
  });

  test('rubbish in a claim counts as dead', async () => {
    for (const [number, text] of ['', '{', '{"pid":1}', 'x'.repeat(10_000)].entries()) {
      writeFileSync(path.join(folder, `machine-claim.${number + 1}`), text);
      await claimMachine(folder, { ...(await identifyOwnProcess()), startTime: '1' });
    }
  });

  test('a file system that refuses says so', async () => {
    await expect(claimMachine('/proc/self', await identifyOwnProcess())).rejects.toThrow();
  });
});

describe('report', () => {
  test('comes back as it went', async () => {
    const { bootId: _bootId, children: _children, ...machine } = await liveState();
    const ready = { ready: machine } as unknown as Parameters<typeof encodeReport>[0];
    expect(decodeReport(encodeReport(ready).trim())).toEqual(ready);
    const failed = { failed: { code: 'HK_DISK_FAILED', message: 'a\nb' } } as const;
    expect(decodeReport(encodeReport(failed).trim())).toEqual(failed);
  });

  test.each(['', 'null', '[]', '{}', '{"ready":null}', '{"ready":{}}', '{"failed":{"code":1}}'])(
    '%j is none',
    (line) => {
      expect(decodeReport(line)).toBeUndefined();
    },
  );

  test('errors of the system get a code', () => {
    expect(toEngineError(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' })).message).toContain(
      'the disk is full',
    );
    expect(toEngineError(Object.assign(new Error('EROFS'), { code: 'EROFS' })).code).toBe('HK_STATE_UNREADABLE');
    expect(toEngineError(new Error('bug')).code).toBe('HK_MACHINE_FAILED');
  });
});

test('resets now and then are fine, five in a minute are not', () => {
  const guard = new ResetGuard();
  for (let minute = 0; minute < 20; minute++) expect(guard.allows(minute * 20_000)).toBe(true);
  const looping = new ResetGuard();
  expect([1, 2, 3, 4, 5].map((second) => looping.allows(second * 1000))).toEqual([true, true, true, true, false]);
});
