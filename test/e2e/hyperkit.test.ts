import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { extractBootFiles } from '../../engine/boot/extract-boot-files';
import { RING_SIZE } from '../../engine/console/ring';
import type { KernelBoot } from '../../engine/spec/vm-spec';
import { ISO, missingForMachines, processesNaming } from '../support/machines';
import { buildPeer, describeWith, PROJECT } from '../support/peers';
import { until } from '../support/until';

/** HyperKit's command line and its Go binding, with the kernel of our ISO; the program finds its engine by itself. */
const HYPERKIT = path.join(PROJECT, 'dist/bin/hyperkit');
const BOOT_MS = 240_000;
/** The first program is a shell on the serial port. */
const SHELL = 'console=ttyS0 rdinit=/bin/sh';
const BOARD = ['-A', '-u', '-m', '512M', '-s', '0:0,hostbridge', '-s', '31,lpc', '-s', '1,virtio-rnd'];
/** The kernel's own way down, which needs no program of the guest: `o` powers off, `b` resets. */
const sysrq = (key: string): string => `busybox mount -t proc proc /proc; echo ${key} > /proc/sysrq-trigger\r`;

jest.setTimeout(600_000);

describeWith('hyperkit', missingForMachines(), () => {
  let folder: string;
  let boot: KernelBoot;
  const running: ChildProcess[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'hk-hyperkit-'));
    boot = await extractBootFiles(ISO, folder);
  });
  afterEach(async () => {
    for (const child of running.splice(0)) child.kill('SIGKILL');
    await until(
      'nothing of the test runs',
      () => processesNaming(folder).length === 0,
      20_000,
      () => processesNaming(folder),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A machine whose serial port is our pipes, talked to as expect(1) does. */
  function talk(words: readonly string[], commandLine: string) {
    const firmware = ['-f', `kexec,${boot.kernel},${boot.initrd},${commandLine}`];
    const child = spawn(HYPERKIT, [...BOARD, ...words, ...firmware], { stdio: 'pipe' });
    running.push(child);
    let said = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString('latin1');
      });
    }
    const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }));
    });
    return {
      child,
      ended,
      /** Waits for that text and forgets what came up to its end. */
      expect: async (text: string) => {
        await until(
          `"${text}" on the console`,
          () => said.includes(text),
          BOOT_MS,
          () => said.slice(-2000),
        );
        said = said.slice(said.indexOf(text) + text.length);
      },
      type: (text: string) => child.stdin.write(text),
    };
  }

  test('a command typed into the serial port is carried out, and power-off is status 0', async () => {
    const pidFile = path.join(folder, 'typed.pid');
    const ring = path.join(folder, 'typed-ring');
    const machine = talk(['-F', pidFile, '-l', `com1,stdio,log=${ring}`], SHELL);
    await machine.expect('~ # ');
    expect(readFileSync(pidFile, 'latin1')).toBe(String(machine.child.pid));
    machine.type('echo $((6*7))-it-is\r');
    await machine.expect('42-it-is');
    machine.type(sysrq('o'));
    expect(await machine.ended).toEqual({ code: 0, signal: null });
    expect(existsSync(pidFile)).toBe(false);
    const kept = readFileSync(ring);
    expect(kept.length).toBe(RING_SIZE);
    expect(kept.includes('Linux version')).toBe(true);
    expect(kept.includes('42-it-is')).toBe(true);
  });

  test('a reset is status 2', async () => {
    const machine = talk(['-l', 'com1,stdio'], SHELL);
    await machine.expect('~ # ');
    machine.type(sysrq('b'));
    expect(await machine.ended).toEqual({ code: 2, signal: null });
  });

  test('SIGTERM ends a guest that has no power button yet, and switches off one that has', async () => {
    const early = talk(['-l', 'com1,stdio'], SHELL);
    await early.expect('~ # ');
    early.child.kill('SIGTERM');
    expect(await early.ended).toEqual({ code: null, signal: 'SIGTERM' });

    const whole = talk(
      ['-s', `2:0,ahci-cd,${ISO}`, '-s', '3:0,virtio-net', '-l', 'com1,stdio'],
      boot.commandLine.replace('console=tty0', ''),
    );
    await whole.expect('bash-');
    whole.type('until pidof acpid; do sleep 1; done; echo ready-$((6*7))\r');
    await whole.expect('ready-42');
    whole.child.kill('SIGTERM');
    expect(await whole.ended).toEqual({ code: 0, signal: null });
  });

  test('SIGKILL leaves nothing running', async () => {
    const machine = talk(['-l', 'com1,stdio'], SHELL);
    await machine.expect('~ # ');
    machine.child.kill('SIGKILL');
    await machine.ended;
    await until('its hypervisor is gone', () => processesNaming(folder).length === 0);
  });

  const peer = buildPeer('hyperkit-go');
  describeWith('through HyperKit’s Go binding', [peer.available ? undefined : peer.reason], () => {
    /** Starts the binding; what it says comes as events. */
    function bind(settings: Readonly<Record<string, unknown>>) {
      const state = path.join(folder, `state-${running.length}-${Math.random().toString(36).slice(2, 8)}`);
      const all = { hyperkit: HYPERKIT, state, memory: 512, ...boot, cmdline: SHELL, ...settings };
      const child = spawn(peer.available ? peer.path : '', [JSON.stringify(all)], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      running.push(child);
      const events: Record<string, unknown>[] = [];
      createInterface(child.stdout).on('line', (line) => events.push(JSON.parse(line)));
      return {
        state,
        say: (word: string) => child.stdin.write(`${word}\n`),
        event: async (name: string) =>
          await until(
            `the event ${name}`,
            () => events.find(({ event }) => event === name),
            BOOT_MS,
            () => events,
          ),
      };
    }

    const inRing = async (state: string, text: string) => {
      const ring = path.join(state, 'console-ring');
      await until(`${text} in the ring`, () => existsSync(ring) && readFileSync(ring).includes(text), BOOT_MS);
    };

    test('starts, is watched, is typed to on its tty, and is stopped', async () => {
      const machine = bind({ uuid: 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5', disk: 64, vmnet: true });
      const { pid } = await machine.event('started');
      const { state } = machine;
      await inRing(state, '~ # ');
      expect(JSON.parse(readFileSync(path.join(state, 'hyperkit.json'), 'utf8'))).toMatchObject({ pid });
      expect(readFileSync(path.join(state, 'hyperkit.pid'), 'latin1')).toBe(String(pid));
      const tty = path.join(state, 'tty');
      expect(readlinkSync(tty)).toMatch(/^\/dev\//);
      const typist = spawn('sh', ['-c', 'printf "echo \\$((6*7))-it-is\\r" >"$1"', 'sh', tty]);
      running.push(typist);
      await inRing(state, '42-it-is');

      machine.say('running');
      expect(await machine.event('running')).toMatchObject({ running: true });
      machine.say('stop');
      expect(await machine.event('ended')).toMatchObject({ error: 'signal: killed' });
      await until(
        'its hypervisor is gone',
        () => processesNaming(state).filter((line) => !line.includes('hyperkit-go')).length === 0,
      );
      machine.say('remove');
      expect(await machine.event('removed')).toMatchObject({ error: '' });
      expect(existsSync(state)).toBe(false);
    });

    test.each([
      ['a tty and a ring', { InteractiveConsole: 2, LogToRingBuffer: true }, 'o'],
      ['a ring alone', { InteractiveConsole: 0, LogToRingBuffer: true }, undefined],
    ])('serial ports with %s', async (_title, serial, key) => {
      const machine = bind({ serials: [serial] });
      const { arguments: words } = (await machine.event('started')) as { arguments: string[] };
      expect(words.slice(-4, -3)).toEqual(['-l']);
      await inRing(machine.state, '~ # ');
      if (key === undefined) {
        machine.say('stop');
        expect(await machine.event('ended')).toMatchObject({ error: 'signal: killed' });
        return;
      }
      const tty = openSync(path.join(machine.state, 'tty1'), 'w');
      spawn('printf', ['%s', sysrq(key)], { stdio: ['ignore', tty, 'ignore'] });
      expect(await machine.event('ended')).toMatchObject({ error: '' });
      expect(existsSync(path.join(machine.state, 'hyperkit.pid'))).toBe(false);
    });
  });
});
