import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { machineArguments, onLines, startMachine } from './machine.mjs';

/** Saved machines that stay: one for each size that is in use. */
const KEPT = 4;
const SAVE_ATTEMPTS = 3;
const SAVE_DEADLINE_MS = 180_000;
const DRAFT_AGE_MS = 60 * 60 * 1000;

/**
 * Where the machine is kept as it was when it waited for a job: its memory in one file, of which each run has a private
 * copy that only holds what the run changes, its devices in another. Saved first when there is none.
 */
export async function warmMachine(cache, qemu, shape) {
  const program = realpathSync(qemu);
  const { size, mtimeMs } = statSync(program);
  const settled = machineArguments({
    ...shape,
    memory: { file: 'memory', shared: false },
    folders: [],
    empty: 'empty',
  });
  const key = createHash('sha256').update(JSON.stringify([program, size, mtimeMs, os.cpus()[0]?.model, settled]));
  const folder = path.join(cache, `warm-${key.digest('hex').slice(0, 16)}`);
  if (existsSync(folder)) {
    const now = new Date();
    utimesSync(folder, now, now);
    return folder;
  }
  for (let attempt = 1; ; attempt += 1) {
    const draft = `${folder}.draft-${process.pid}`;
    try {
      mkdirSync(draft, { recursive: true });
      await saveMachine(qemu, shape, draft, path.join(cache, 'empty'));
      if (!existsSync(folder)) renameSync(draft, folder);
      prune(cache);
      return folder;
    } catch (error) {
      // Emulated kernels panic now and then while they boot.
      if (attempt === SAVE_ATTEMPTS || error.code !== undefined) throw error;
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }
}

/** Restores a saved machine in an emulator that was started with its memory. */
export async function restoreMachine(machine, folder) {
  const { monitor } = machine;
  const resumed = new Promise((resolve) => monitor.onEvent((event) => event === 'RESUME' && resolve()));
  await negotiate(monitor);
  await monitor.execute('migrate-incoming', { uri: `exec:cat ${shellQuote(path.join(folder, 'devices'))}` });
  await Promise.race([resumed, machine.ended.then(() => Promise.reject(new Error(machine.said.complaints)))]);
}

async function saveMachine(qemu, shape, folder, empty) {
  process.stderr.write('lab: booting the machine once, to save it\n');
  const file = path.join(folder, 'memory');
  writeFileSync(file, '', { mode: 0o600 });
  truncateSync(file, shape.memoryMiB * 1024 * 1024);
  const machine = startMachine(
    qemu,
    machineArguments({ ...shape, memory: { file, shared: true }, folders: [], empty }),
  );
  const timer = setTimeout(machine.kill, SAVE_DEADLINE_MS);
  try {
    const saved = new Promise((resolve, reject) => {
      machine.monitor.onEvent((event, data) => {
        if (event !== 'MIGRATION') return;
        if (data.status === 'completed') resolve();
        if (data.status === 'failed') reject(new Error('the emulator could not save the machine'));
      });
      machine.ended.then(() => reject(bootFailure(machine.said)));
    });
    saved.catch(() => undefined);
    await negotiate(machine.monitor);
    const ready = new Promise((resolve) => onLines(machine.control, (line) => line === 'ready' && resolve()));
    await Promise.race([ready, saved]);
    await machine.monitor.execute('migrate', { uri: `exec:cat >${shellQuote(path.join(folder, 'devices'))}` });
    await saved;
  } finally {
    clearTimeout(timer);
    machine.kill();
    await machine.ended;
  }
}

/** The memory's file holds the memory: only devices go through the stream. */
async function negotiate(monitor) {
  await monitor.execute('qmp_capabilities');
  const wanted = ['x-ignore-shared', 'events'].map((capability) => ({ capability, state: true }));
  await monitor.execute('migrate-set-capabilities', { capabilities: wanted });
}

function bootFailure(said) {
  const end = `${said.complaints}\n${said.console}`.trim().split('\n').slice(-15).join('\n');
  return new Error(`the machine did not come up; its console ended:\n${end}`);
}

function prune(cache) {
  const entries = readdirSync(cache)
    .filter((name) => name.startsWith('warm-'))
    .map((name) => ({ file: path.join(cache, name), age: Date.now() - statSync(path.join(cache, name)).mtimeMs }))
    .sort((one, other) => one.age - other.age);
  const drafts = entries.filter(({ file, age }) => file.includes('.draft-') && age > DRAFT_AGE_MS);
  const old = entries.filter(({ file }) => !file.includes('.draft-')).slice(KEPT);
  for (const { file } of [...drafts, ...old]) rmSync(file, { recursive: true, force: true });
}

const shellQuote = (word) => `'${word.replaceAll("'", `'\\''`)}'`;
