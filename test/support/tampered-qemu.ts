import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/*
 * QEMU as it is, but for copies of a warm image when a variable of their client says so: something befalls them when they
 * have been restored and hear who they shall be. What they say and hear goes through a process in between then.
 */

/** What befalls a copy when the host speaks to it for the first time. */
export interface Tampering {
  readonly channel?: 'deaf' | 'mute' | 'garbled' | 'slow' | 'cut';
  /** A command of sh(1); $QEMU is the process. */
  readonly run?: string;
  /** QEMU stands before it has said anything. */
  readonly standsFromTheStart?: true;
}

/** The environment of a client whose copies that happens to. */
export function tampered({ channel, run, standsFromTheStart }: Tampering): NodeJS.ProcessEnv {
  return {
    TAMPER: standsFromTheStart ? 'stand' : 'relay',
    TAMPER_CHANNEL: channel ?? '',
    TAMPER_RUN: run ?? '',
  };
}

/** Writes the program into a folder and returns its path, for HYPERKIT_QEMU. */
export function writeTamperedQemu(folder: string, qemu = 'qemu-system-x86_64'): string {
  const program = path.join(folder, 'qemu');
  writeFileSync(path.join(folder, 'relay.cjs'), RELAY);
  writeFileSync(
    program,
    `#!/bin/sh
case "$*" in
*,share=off*)
    [ "$TAMPER" != stand ] || kill -STOP $$
    [ "$TAMPER" != relay ] || exec '${process.execPath}' '${folder}/relay.cjs' ${qemu} "$@"
    ;;
esac
# As the host's clock was when the template was saved.
case "$*" in
*,share=on*) exec ${qemu} "$@" \${TAMPER_TEMPLATE_RTC:+-rtc base=$TAMPER_TEMPLATE_RTC} ;;
esac
exec ${qemu} "$@"
`,
  );
  chmodSync(program, 0o755);
  return program;
}

/** The channel of a copy's identity is descriptor 6 (engine/hypervisors/qemu/arguments.ts). */
const RELAY = `
const { spawn } = require('node:child_process');
const net = require('node:net');
const { TAMPER_CHANNEL: channel, TAMPER_RUN: command } = process.env;
const host = new net.Socket({ fd: 6 });
const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...process.argv.slice(2)], {
  stdio: [0, 1, 2, 3, 4, 5, 'pipe', 7],
});
const guest = qemu.stdio[6];
for (const end of [host, guest]) end.on('error', () => undefined);
const later = (write) => (channel === 'slow' ? setTimeout(write, 250) : write());
let spoken = false;
host.on('data', (bytes) => {
  if (!spoken && command) spawn('sh', ['-c', command], { env: { ...process.env, QEMU: qemu.pid }, stdio: 'inherit' });
  if (!spoken && channel === 'garbled') bytes[bytes.indexOf(10) + 1] ^= 0x80;
  spoken = true;
  if (channel === 'cut') host.destroy();
  else if (channel !== 'deaf') later(() => guest.write(bytes));
});
guest.on('data', (bytes) => channel === 'mute' || later(() => host.write(bytes)));
qemu.on('exit', (code) => process.exit(code ?? 1));
`;
