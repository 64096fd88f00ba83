import type { NetworkUnderTest } from './network';
import { startProgram } from './running-program';

const GATEWAY = '192.168.66.1';

/**
 * passt's program for namespaces. It takes its outgoing interface from the host's default route, and would become
 * "nobody", who may not enter the namespace, if root did not tell it to stay who it is.
 */
export const pasta: NetworkUnderTest = {
  name: 'pasta',
  async start(namespace, mtu) {
    const words = [
      ...['--foreground', '--quiet', '--ipv4-only', '--config-net', '--mtu', String(mtu)],
      ...['--address', '192.168.66.3', '--netmask', '24', '--gateway', GATEWAY, '--dns', 'none'],
      // No ports are forwarded: connections by them would bypass the tap device.
      ...['--tcp-ports', 'none', '--udp-ports', 'none', '--tcp-ns', 'none', '--udp-ns', 'none'],
      ...(process.getuid?.() === 0 ? ['--runas', '0'] : []),
      String(namespace.pid),
    ];
    const gateway = await startProgram('pasta', ['pasta', words], async () => {
      const { stdout } = await namespace.run('ip', ['route', 'show', 'default']);
      return stdout.includes(GATEWAY);
    });
    return { hostAddress: GATEWAY, processIds: [gateway.pid], stop: gateway.stop };
  },
};
