// Machines of ours in somebody else's network: gvisor-tap-vsock's gvproxy, and a vpnkit of another process.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { bridgeToVpnkit, type VpnkitBridge } from '../../../engine/net/ethernet/bridge-to-vpnkit';
import { QEMU_FRAMING } from '../../../engine/net/link/stream-link';
import { Reactor } from '../../../engine/net/reactor/reactor';
import { sockets } from '../../../native/sockets';
import { countDescriptors } from '../../support/descriptors';
import { buildPeer, describeWith, PROJECT } from '../../support/peers';
import { temporaryFolder } from '../../support/temporary-folder';
import { until } from '../../support/until';
import { resolve, type Wire, wireOf } from '../../unit/engine/net/ethernet/network-fixture';

jest.setTimeout(60_000);

const peer = buildPeer('gvproxy');

interface Foreign {
  readonly name: string;
  readonly missing: string | undefined;
  start(socket: string): ChildProcess;
  readonly uuid: string;
  readonly mac: string;
  readonly ip: string;
  readonly gateway: string;
  readonly gatewayMac: string;
}

const gvproxy: Foreign = {
  name: 'gvproxy',
  missing: peer.available ? undefined : peer.reason,
  start: (socket) =>
    // It does not remove what it left when it was killed.
    spawn(peer.available ? peer.path : '', ['-listen-vpnkit', `unix://${socket}`, '-ssh-port', '-1'], {
      stdio: 'ignore',
    }),
  // It knows this one from its own configuration.
  uuid: 'c3d68012-0208-11ea-9fd7-f2189899ab08',
  mac: '5a:94:ef:e4:0c:ee',
  ip: '192.168.127.2',
  gateway: '192.168.127.1',
  gatewayMac: '5a94efe40cdd',
};

const vpnkit: Foreign = {
  name: 'vpnkit',
  missing: undefined,
  start: (socket) =>
    spawn(process.execPath, [path.join(PROJECT, 'dist/vpnkit.cjs'), '--ethernet', socket], { stdio: 'ignore' }),
  uuid: 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5',
  mac: '02:50:00:00:00:01',
  ip: '192.168.65.3',
  gateway: '192.168.65.1',
  gatewayMac: 'f61636bcf9c6',
};

for (const foreign of [gvproxy, vpnkit]) {
  describeWith(`a machine in the network of ${foreign.name}`, [foreign.missing], () => {
    let before: number;
    let reactor: Reactor;
    let folder: string;
    let socket: string;
    let program: ChildProcess;
    let bridge: VpnkitBridge;
    let guest: Wire;
    const lines: string[] = [];

    const mac = foreign.mac.replaceAll(':', '');
    const askForGateway = (): Promise<string | undefined> => resolve(guest, mac, foreign.ip, foreign.gateway);
    const kill = async (): Promise<void> => {
      const ended = once(program, 'close');
      program.kill('SIGKILL');
      await ended;
    };

    beforeEach(async () => {
      lines.length = 0;
      folder = temporaryFolder();
      socket = path.join(folder, 'ethernet.sock');
      program = foreign.start(socket);
      await once(program, 'spawn');
      before = countDescriptors();
      reactor = new Reactor();
      bridge = await bridgeToVpnkit(reactor, {
        path: socket,
        uuid: foreign.uuid,
        log: (line) => void lines.push(line),
      });
      const [ours, theirs] = sockets.pair();
      bridge.relay.plugNear(ours, QEMU_FRAMING);
      guest = wireOf(theirs, QEMU_FRAMING);
    });

    afterEach(async () => {
      try {
        bridge.close();
        reactor.close();
        await guest.close();
        expect(countDescriptors()).toBeLessThanOrEqual(before);
      } finally {
        await kill();
      }
    });

    test('gets its card there and reaches the gateway', async () => {
      expect(bridge).toMatchObject({ mac: foreign.mac, mtu: 1500 });
      expect(await askForGateway()).toBe(foreign.gatewayMac);
    });

    test('outlives a kill of that network, again and again', async () => {
      for (let round = 0; round < 2; round++) {
        await kill();
        await until('the loss to be noticed', () => lines.some((line) => line.includes('is gone')));
        rmSync(socket, { force: true });
        program = foreign.start(socket);
        await until('the return', () => lines.some((line) => line.includes('back in the network')));
        lines.length = 0;
        expect(await askForGateway()).toBe(foreign.gatewayMac);
      }
    });
  });
}
