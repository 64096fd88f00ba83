// Runs in the lab: a machine process that chooses its hypervisor by itself, with a disk, a CD-ROM drive and its own network,
// whose guest resets once; prints what came of it as one line of JSON.
//
//   node run-machine.cjs MACHINE-PROGRAM KERNEL INITRAMFS
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pressPowerButton, waitForExit } from '../../../engine/machine/control';
import { launchMachine } from '../../../engine/machine/launch';
import { MACHINE_FILES } from '../../../engine/machine/machine-files';
import { type LiveMachine, readMachineStatus } from '../../../engine/machine/state';
import { until } from '../../support/until';

const [program = '', kernel = '', initrd = ''] = process.argv.slice(2);
const ADDRESS = '127.64.0.1';
const PORT = 18_080;
const BOOT_MS = 120_000;
const MARK = 'again';

const script = `
if [ "$(head -c ${MARK.length} /dev/vda)" != ${MARK} ]; then
  printf ${MARK} | dd of=/dev/vda conv=fsync 2>/dev/null
  busybox reboot -f
fi
ip link set eth0 up
cat > /tmp/lease <<'END'
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev eth0
ip route add default via $router
END
chmod +x /tmp/lease
udhcpc -i eth0 -n -q -s /tmp/lease
mkdir /tmp/www
md5sum </dev/vda >/tmp/www/disk
uname -r >/tmp/www/release
httpd -p 8080 -h /tmp/www
await_button
`;

async function main(): Promise<void> {
  const folder = mkdtempSync('/tmp/machine-');
  const stateDir = path.join(folder, 'state');
  const disk = randomBytes(4 * 1024 * 1024);
  writeFileSync(path.join(folder, 'disk'), disk);
  disk.write(MARK);
  writeFileSync(path.join(folder, 'cd'), Buffer.alloc(1024 * 1024));
  const commandLine = `console=ttyS0 quiet panic=-1 pci=noearly hk.run=sh:${Buffer.from(script).toString('base64')}`;
  const begun = performance.now();
  const machine = await launchMachine(
    {
      name: 'lab',
      stateDir,
      uuid: '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab',
      vcpus: 2,
      memoryMiB: 512,
      boot: { kernel, initrd, commandLine },
      disks: [{ path: path.join(folder, 'disk'), readOnly: false }],
      cdroms: [path.join(folder, 'cd')],
      network: {
        bindAddress: ADDRESS,
        forwards: [{ hostPort: PORT, guestPort: 8080 }],
        macAddress: '52:54:00:12:34:56',
        hostname: 'lab',
      },
      hypervisor: 'auto',
      accelerator: 'auto',
    },
    { program },
  );
  const readyMs = Math.round(performance.now() - begun);
  const consoleText = (): string => readFileSync(path.join(stateDir, MACHINE_FILES.consoleLog), 'latin1');
  await until(
    'the guest awaits its power button',
    () => consoleText().includes('BUTTON-AWAITED'),
    BOOT_MS,
    () => consoleText().replaceAll('\0', '').slice(-2000),
  );
  const get = async (name: string): Promise<string> =>
    (await (await fetch(`http://${ADDRESS}:${PORT}/${name}`)).text()).trim();
  const diskInGuest = (await get('disk')).split(' ')[0];
  const release = await get('release');
  const { resets } = (await readMachineStatus(stateDir)) as LiveMachine;
  const log = readFileSync(path.join(stateDir, MACHINE_FILES.log), 'utf8');
  const sandbox = { threads: stateOfThreads(machine.pid), said: log.match(/sandbox: .*/g) };
  await pressPowerButton(stateDir);
  const ended = await waitForExit(stateDir, BOOT_MS);
  const status = await readMachineStatus(stateDir);
  const result = {
    backend: machine.backend,
    readyMs,
    release,
    sameDisk: diskInGuest === createHash('md5').update(disk).digest('hex'),
    ...{ resets, sandbox },
    ended,
    status,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** "No new privileges" and "seccomp" of all threads of a process, each pair once. */
function stateOfThreads(pid: number): readonly string[] {
  const states = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
    return [...status.matchAll(/^(?:NoNewPrivs|Seccomp):\s*(\d)/gm)].map(([, value]) => value).join(' ');
  });
  return [...new Set(states)];
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = 1;
});
