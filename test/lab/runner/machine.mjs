import { spawn } from 'node:child_process';
import { SHARE_SLOTS } from './shares.mjs';

/** Descriptors of the emulator, beside standard error. */
const FD = { control: 3, output: 4, errors: 5, console: 6, monitor: 7 };

/** What is kept of the console; more than any boot says. */
const CONSOLE_LIMIT = 1024 * 1024;

/** An option's value in the emulator's grammar. */
const literal = (text) => text.replaceAll(',', ',,');

/**
 * The emulator's command line. `memory.shared` writes the memory to its file instead of a copy. Nothing else may differ
 * between a machine that is saved and one that is restored, except what a slot shows.
 */
export function machineArguments({ kernel, initrd, memoryMiB, cpus, memory, folders, empty, out }) {
  const slots = Array.from({ length: SHARE_SLOTS }, (_, slot) => [
    '-fsdev',
    `local,id=slot${slot},path=${literal(folders[slot] ?? empty)},security_model=none,readonly=on,multidevs=remap`,
    '-device',
    `virtio-9p-pci,fsdev=slot${slot},mount_tag=slot${slot}`,
  ]);
  const port = (name) => [
    ...['-chardev', `socket,id=${name},fd=${FD[name]}`],
    ...['-device', `virtserialport,chardev=${name},name=${name}`],
  ];
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-machine', 'pc,smm=off,hpet=off,vmport=off,memory-backend=memory'],
    ...['-accel', 'tcg,thread=multi,tb-size=512', '-cpu', 'max,-la57', '-smp', String(cpus), '-m', String(memoryMiB)],
    '-object',
    memory === undefined
      ? `memory-backend-ram,id=memory,size=${memoryMiB}M`
      : `memory-backend-file,id=memory,size=${memoryMiB}M,mem-path=${literal(memory.file)},share=${memory.shared ? 'on' : 'off'}`,
    ...['-kernel', kernel, '-initrd', initrd],
    ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable'],
    ...['-chardev', `socket,id=console,fd=${FD.console}`, '-serial', 'chardev:console'],
    ...['-chardev', `socket,id=monitor,fd=${FD.monitor}`, '-mon', 'chardev=monitor,mode=control'],
    ...['-device', 'virtio-serial-pci', ...port('control'), ...port('output'), ...port('errors')],
    ...slots.flat(),
    '-fsdev',
    `local,id=out,path=${literal(out ?? empty)},security_model=none,multidevs=remap${out === undefined ? ',readonly=on' : ''}`,
    ...['-device', 'virtio-9p-pci,fsdev=out,mount_tag=out'],
  ];
}

/** The kernel kills the emulator when this process ends, however it ends. */
export function startMachine(qemu, args) {
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', qemu, ...args], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  // An end that is killed resets its sockets; its exit says all there is to say.
  for (const stream of child.stdio) stream?.on('error', () => undefined);
  const said = { console: '', complaints: '' };
  child.stdio[FD.console].setEncoding('utf8').on('data', (text) => {
    said.console = (said.console + text).slice(-CONSOLE_LIMIT);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said.complaints = (said.complaints + text).slice(-CONSOLE_LIMIT);
  });
  const ended = new Promise((resolve) => {
    child.once('error', (error) => {
      said.complaints += error.message;
      resolve();
    });
    child.once('close', resolve);
  });
  return {
    control: child.stdio[FD.control],
    output: child.stdio[FD.output],
    errors: child.stdio[FD.errors],
    monitor: openMonitor(child.stdio[FD.monitor]),
    said,
    /** When the emulator is gone and all it said was read. */
    ended,
    kill: () => child.kill('SIGKILL'),
  };
}

/** Calls `heard` with each line of a stream. */
export function onLines(stream, heard) {
  let rest = '';
  stream.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) heard(line.replace(/\r$/, ''));
  });
}

/** QEMU's monitor: commands are answered in order, events come between. */
function openMonitor(stream) {
  const waiting = [];
  const watchers = [];
  let gone = false;
  stream.once('close', () => {
    gone = true;
    for (const { reject } of waiting.splice(0)) reject(new Error('the emulator ended'));
  });
  onLines(stream, (line) => {
    const message = JSON.parse(line);
    if ('event' in message) for (const watch of watchers) watch(message.event, message.data);
    if ('return' in message) waiting.shift()?.resolve(message.return);
    if ('error' in message) waiting.shift()?.reject(new Error(message.error.desc));
  });
  const execute = (command, parameters = {}) =>
    new Promise((resolve, reject) => {
      if (gone) return reject(new Error('the emulator ended'));
      waiting.push({ resolve, reject });
      stream.write(`${JSON.stringify({ execute: command, arguments: parameters })}\n`);
    });
  return { execute, onEvent: (watch) => watchers.push(watch) };
}
