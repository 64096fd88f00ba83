import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { NetworkUnderTest } from './network';
import { startProgram } from './running-program';

/** What its static lease for .2 expects, and where its configuration translates addresses to the host's loopback. */
const GUEST_MAC = '5a:94:ef:e4:0c:ee';
const HOST = '192.168.127.254';

/** gvisor-tap-vsock: two processes, as in a virtual machine: the gateway, and the guest's side that serves the tap. */
export function gvproxy(program: string): NetworkUnderTest {
  return {
    name: 'gvproxy',
    async start(namespace, mtu) {
      const folder = await mkdtemp(path.join(tmpdir(), 'hk-gvproxy-'));
      const socket = path.join(folder, 'network.sock');
      const stops: (() => Promise<void>)[] = [() => rm(folder, { recursive: true, force: true })];
      const stop = async (): Promise<void> => {
        for (const each of stops.reverse()) await each();
      };
      try {
        const gateway = await startProgram(
          'gvproxy',
          [program, ['-mtu', String(mtu), '-ssh-port', '-1', '-listen', `unix://${socket}`]],
          () => existsSync(socket),
        );
        stops.push(gateway.stop);
        await namespace.run('ip', ['tuntap', 'add', 'tap0', 'mode', 'tap']);
        await namespace.ip(
          `link set tap0 address ${GUEST_MAC} mtu ${mtu} up`,
          'addr add 192.168.127.2/24 dev tap0',
          'route add default via 192.168.127.1',
        );
        const forwarder = await startProgram(
          'gvforwarder',
          namespace.inside(
            path.join(path.dirname(program), 'gvforwarder'),
            ...['-url', `unix://${socket}`, '-iface', 'tap0', '-preexisting', '-mac', GUEST_MAC, '-mtu', String(mtu)],
          ),
          (said) => said.includes('waiting for packets'),
        );
        stops.push(forwarder.stop);
        return { hostAddress: HOST, processIds: [gateway.pid, forwarder.pid], stop };
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}
