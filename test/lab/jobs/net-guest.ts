// Runs in the lab: boots a kernel on the native VMM with a NIC on our gateway, one on a tap device, a socket device and a
// share, and lets it use all of them. Prints what came of it as one line of JSON.
//
//   node net-guest.cjs KERNEL INITRAMFS
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readlinkSync } from 'node:fs';
import { createServer as createHttpServer, get } from 'node:http';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import path from 'node:path';
import type { Endpoint } from '../../../engine/net/flow';
import { serveNineP } from '../../../engine/net/ninep/serve-nine-p';
import { textFile } from '../../../engine/net/ninep/tree';
import { openGateway } from '../../../engine/net/open-gateway';
import type { BoardSpec } from '../../../engine/spec/board-spec';
import { startBoard } from '../../../engine/vmm/board/start-board';
import { plugGatewayNic } from '../../../engine/vmm/virtio/net/gateway-nic';
import { openTapNic } from '../../../engine/vmm/virtio/net/tap-nic';
import { vsockShell } from './vsock-shell';

const TAP_MAC = Uint8Array.of(2, 0x50, 0, 0, 0, 2);
const MAC = Uint8Array.of(2, 0x50, 0, 0, 0, 1);
const GUEST = '192.168.65.3';
const BULK_BYTES = 8 * 1024 * 1024;
const SERVICE = 1024;
const LISTENER = 2222;

const [kernel = '', initrd = ''] = process.argv.slice(2);
const folder = mkdtempSync('/tmp/net-guest-');
const bulk = Buffer.alloc(BULK_BYTES, 'The quick brown fox jumps over the lazy dog. ');
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex');

async function main(): Promise<void> {
  // Node keeps a descriptor for the watches of files, of which a gateway has some, and libuv one of /dev/null that it
  // closes when it has to accept a connection without having any left.
  await openGateway({ network: {}, hostAccess: 'none', log: () => undefined }).close();
  const fdsBefore = descriptors();
  const gateway = openGateway({ network: { mtu: 1500 }, hostAccess: 'all', log: () => undefined });
  const files = new Map([
    ['/vconnect', vsockShell('connect', SERVICE)],
    ['/vlisten', vsockShell('listen', LISTENER)],
  ]);
  const http = createHttpServer(({ url = '' }, response) => void response.end(files.get(url) ?? bulk));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;
  // Frames of 64 KiB leave and reach the kernel whole here, while the MTU is 1500.
  const { reactor } = gateway.network;
  const tap = openTapNic(reactor, { device: 'tap0', mac: TAP_MAC, mtu: 1500 });
  execFileSync('sh', ['-c', 'ip addr add 10.9.0.1/24 dev tap0 && ip link set tap0 up']);
  const tapHttp = createHttpServer((_request, response) => void response.end(bulk)).listen(0, '10.9.0.1');
  await once(tapHttp, 'listening');
  const tapPort = (tapHttp.address() as AddressInfo).port;
  const forward = await gateway.forwarder.open({
    protocol: 'tcp',
    host: { address: '127.0.0.1', port: 0 },
    guest: { address: GUEST, port: 8080 },
  });
  const service = createServer({ allowHalfOpen: true }).listen(path.join(folder, '00000002.00000400'));
  const share = createServer((socket) => void serveNineP(socket, shareTree())).listen(path.join(folder, 'share'));

  const script = `
    ip link set eth0 up
    cat > /tmp/lease <<'END'
[ "$1" = bound ] || exit 0
ip addr add $ip/$mask dev eth0
ip route add default via $router
echo LEASE $ip $router $dns
END
    chmod +x /tmp/lease
    udhcpc -i eth0 -n -q -s /tmp/lease
    echo MTU $(cat /sys/class/net/eth0/mtu) $(cat /sys/class/net/eth0/address)
    ping -c 3 -W 10 192.168.65.1 | tail -n 2
    wget -q -O /tmp/bulk http://192.168.65.2:${port}/
    echo GOT $(md5sum </tmp/bulk)
    ip link set eth1 up
    ip addr add 10.9.0.2/24 dev eth1
    wget -q -O /tmp/bulk1 http://10.9.0.1:${tapPort}/
    echo TAP-GOT $(md5sum </tmp/bulk1)
    httpd -p 8080 -h /tmp
    echo HTTPD-UP
    for name in vconnect vlisten; do wget -q -O /tmp/$name http://192.168.65.2:${port}/$name; done
    chmod +x /tmp/vconnect /tmp/vlisten
    /tmp/vlisten &
    echo VLISTEN-UP
    /tmp/vconnect
    echo VCONNECT-ENDED
    mount -t 9p -o trans=virtio,version=9p2000,msize=65536 share /mnt && echo SHARE $(cat /mnt/hello) $(ls /mnt | wc -l)
    umount /mnt
    wait
    cat /proc/interrupts | grep virtio
  `;
  const command = `console=ttyS0 quiet hk.run=sh:${Buffer.from(script.replaceAll(/^ +/gm, '')).toString('base64')}`;
  let text = '';
  const waiters: { readonly what: string; readonly resolve: () => void }[] = [];
  const heard = {
    write: (bytes: Uint8Array): void => {
      text += Buffer.from(bytes).toString('latin1');
      process.stderr.write(bytes);
      for (const waiter of waiters) if (text.includes(waiter.what)) waiter.resolve();
    },
  };
  const says = (what: string): Promise<void> =>
    text.includes(what) ? Promise.resolve() : new Promise((resolve) => void waiters.push({ what, resolve }));

  const board = await startBoard(boardSpec(command), {
    com1: heard,
    com2: undefined,
    nics: [plugGatewayNic(gateway, { mac: MAC, ip: GUEST }), tap],
    reactor,
    log: (line) => process.stderr.write(`board: ${line}\n`),
  });
  const result: Record<string, unknown> = {};
  const called = new Promise<Socket>((resolve) => void service.once('connection', resolve));
  const uses = async (): Promise<void> => {
    await says('HTTPD-UP');
    result['download'] = md5(await download('127.0.0.1', (forward.spec.host as Endpoint).port));
    result['tapDownload'] = md5(await download('10.9.0.2', 8080));
    await says('VLISTEN-UP');
    const shell = await called;
    result['guestToHost'] = (await tell(shell, 'echo hello from $((6*7)); md5sum </tmp/bulk\n')).trim();
    const caller = connect(path.join(folder, 'connect'));
    caller.write(`00000003.${LISTENER.toString(16).padStart(8, '0')}\n`);
    result['hostToGuest'] = md5(Buffer.from(await tell(caller, 'cat /tmp/bulk\n'), 'latin1'));
  };
  const ended = board.exited.then(() => {
    throw new Error('the guest ended early');
  });
  try {
    await Promise.race([uses(), ended]);
  } catch (error) {
    result['failed'] = (error as Error).message;
    await board.kill();
  }
  result['exit'] = (await board.exited).kind;
  result['drops'] = gateway.network.gateway.drops;
  await gateway.close();
  for (const server of [http, tapHttp, service, share]) server.close();
  http.closeAllConnections();
  tapHttp.closeAllConnections();
  result['lines'] = text
    .split(/\r?\n/)
    .filter((line) => /^(LEASE|MTU|GOT|TAP-GOT|SHARE|HK-DONE|\d+ packets|.*virtio\d)/.test(line));
  result['bulk'] = md5(bulk);
  result['left'] = readdirSync(folder).filter((name) => !/^00000002/.test(name));
  await new Promise((resolve) => setTimeout(resolve, 200));
  result['descriptors'] = descriptors().filter((one) => !fdsBefore.includes(one) && !one.endsWith(' /dev/null'));
  process.stdout.write(`${JSON.stringify(result)}\n`);
}

/** What this process has open: number and kind. */
function descriptors(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch {
      // The folder's own.
      return [];
    }
  });
}

function boardSpec(commandLine: string): BoardSpec {
  return {
    vcpus: 1,
    memoryBytes: 512 * 1024 * 1024,
    uuid: undefined,
    firmware: { kind: 'kexec', kernel, initrd, commandLine },
    slots: [
      { slot: 0, func: 0, device: { kind: 'hostbridge', vendor: 'hyperkit' } },
      {
        slot: 1,
        func: 0,
        device: { kind: 'virtio-net', network: { kind: 'attached', mac: '02:50:00:00:00:01', mtu: 1500 } },
      },
      {
        slot: 5,
        func: 0,
        device: { kind: 'virtio-net', network: { kind: 'attached', mac: '02:50:00:00:00:02', mtu: 1500 } },
      },
      { slot: 2, func: 0, device: { kind: 'virtio-sock', guestCid: 3, path: folder, guestForwards: [LISTENER] } },
      { slot: 3, func: 0, device: { kind: 'virtio-9p', tag: 'share', server: { path: path.join(folder, 'share') } } },
      { slot: 4, func: 0, device: { kind: 'virtio-rnd' } },
      { slot: 31, func: 0, device: { kind: 'lpc' } },
    ],
    com1: undefined,
    com2: undefined,
    acpi: true,
    mpTable: false,
    rtc: 'utc',
    strictIo: false,
    x2apic: true,
    ignoreUnknownMsrs: false,
    virtioInterrupts: 'msi-x',
    debugConsole: false,
    debugPort: undefined,
  };
}

function shareTree(): Parameters<typeof serveNineP>[1] {
  const files = [textFile('hello', 2, 'a file of the host'), textFile('other', 3, '')];
  return {
    kind: 'directory',
    name: '/',
    qidPath: 1,
    permissions: 0o555,
    child: (name) => files.find((file) => file.name === name),
    children: () => files,
  };
}

/** Sends a line to a shell, says that there is no more, and answers all that it says until it ends. */
async function tell(shell: Socket, line: string): Promise<string> {
  const parts: Buffer[] = [];
  shell.on('data', (part: Buffer) => void parts.push(part));
  shell.end(line);
  await once(shell, 'close');
  return Buffer.concat(parts).toString('latin1');
}

function download(host: string, port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    get({ host, port, path: '/bulk', agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => void parts.push(part));
      response.on('end', () => resolve(Buffer.concat(parts)));
    }).on('error', reject);
  });
}

void main();
