import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeJob } from './job.mjs';
import { machineArguments, onLines, startMachine } from './machine.mjs';
import { parseOptions, USAGE } from './options.mjs';
import { planShares } from './shares.mjs';
import { restoreMachine, warmMachine } from './warm.mjs';

const LAB = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const PROJECT = path.dirname(path.dirname(LAB));
const CACHE = path.join(
  process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'),
  'docker-machine-driver-hyperkit/lab',
);
const DEADLINE_PASSED = 124;
const LAB_FAILED = 125;
const CONSOLE_LINES = 25;

const say = (text) => process.stderr.write(`lab: ${text}\n`);

/** Paths by name, from test/lab/image, which builds them the first time. */
function provideImage(bench) {
  const said = execFileSync(path.join(LAB, 'image'), bench ? ['--with', 'bench'] : [], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = said.trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]));
}

function findQemu() {
  for (const folder of (process.env.PATH ?? '').split(':')) {
    const file = path.join(folder, 'qemu-system-x86_64');
    if (existsSync(file)) return file;
  }
  throw new Error('there is no qemu-system-x86_64 in PATH; scripts/requirements lab installs it');
}

/** Runs the job in one emulator and returns its exit status; undefined when the machine could not be restored. */
async function runJob(options, qemu, shape, plan, warm) {
  const args = machineArguments({
    ...shape,
    ...plan,
    memory: warm === undefined ? undefined : { file: path.join(warm, 'memory'), shared: false },
    empty: path.join(CACHE, 'empty'),
  });
  const machine = startMachine(qemu, warm === undefined ? args : [...args, '-incoming', 'defer']);
  let verdict;
  const decide = (status, reason) => {
    if (verdict !== undefined) return;
    verdict = { status, reason };
    machine.kill();
  };
  const timer = setTimeout(
    () => decide(DEADLINE_PASSED, `the command still ran after ${options.deadline} s and was ended`),
    options.deadline * 1000,
  );
  const interrupted = (signal) => decide(128 + os.constants.signals[signal], `ended by ${signal}`);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, interrupted);
  for (const stream of [process.stdout, process.stderr]) stream.once('error', () => decide(LAB_FAILED));

  machine.output.pipe(process.stdout, { end: false });
  machine.errors.pipe(process.stderr, { end: false });
  onLines(machine.control, (line) => {
    const status = /^exit (\d+)$/.exec(line)?.[1];
    if (status !== undefined) decide(Number(status));
  });
  let failure;
  if (warm !== undefined) {
    await restoreMachine(machine, warm).catch((error) => {
      if (verdict === undefined) failure = error;
    });
  }
  if (failure === undefined)
    machine.control.write(encodeJob({ command: options.command, cwd: process.cwd(), ...plan }));
  else machine.kill();
  await machine.ended;
  clearTimeout(timer);
  if (options.console !== undefined) writeFileSync(options.console, machine.said.console);
  if (failure !== undefined) {
    say(`cannot restore the machine saved in ${warm}, so it is booted: ${failure.message.trim()}`);
    return undefined;
  }
  verdict ??= { status: LAB_FAILED, reason: whyItEnded(machine.said) };
  if (verdict.reason !== undefined) {
    say(verdict.reason);
    const end = machine.said.console.replaceAll('\r', '').trimEnd().split('\n').slice(-CONSOLE_LINES);
    if (end.join('') !== '') say(`the machine's console ended:\n${end.map((line) => `     | ${line}`).join('\n')}`);
  }
  return verdict.status;
}

function whyItEnded({ console: text, complaints }) {
  const panic = /Kernel panic[^\r\n]*/.exec(text)?.[0];
  if (panic !== undefined) return `the machine's kernel panicked: ${panic}`;
  if (complaints.trim() !== '') return `the emulator ended: ${complaints.trim()}`;
  return 'the machine went down before the command ended';
}

async function main() {
  const words = process.argv.slice(2);
  if (words[0] === '--help' || words[0] === '-h') {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const options = parseOptions(words);
  const qemu = findQemu();
  const image = provideImage(options.bench);
  const shape = {
    kernel: image.vmlinuz,
    initrd: image.initrd,
    memoryMiB: options.memory,
    cpus: options.cpus,
  };
  const plan = planShares({ project: PROJECT, ...options, bench: image.bench });
  mkdirSync(path.join(CACHE, 'empty'), { recursive: true });
  if (!options.cold) {
    const warm = await warmMachine(CACHE, qemu, shape);
    const status = await runJob(options, qemu, shape, plan, warm);
    if (status !== undefined) return status;
    rmSync(warm, { recursive: true, force: true });
  }
  return await runJob(options, qemu, shape, plan, undefined);
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error) => {
    say(error.message);
    process.exitCode = LAB_FAILED;
  },
);
