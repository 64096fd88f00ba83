import { existsSync } from 'node:fs';
import path from 'node:path';
import type { NetworkUnderTest } from './network';
import { startProgram } from './running-program';

/** Our gateway, as a program that serves a tap device it opens in the namespace. */
export const ours: NetworkUnderTest = {
  name: 'ours',
  async start(namespace, mtu) {
    const program = path.resolve('dist/vpnkit.cjs');
    if (!existsSync(program)) throw new Error(`cannot measure ours: ${program} is not there; run npm run build`);
    const words = ['--tap', 'tap0', '--tap-netns', String(namespace.pid), '--mtu', String(mtu)];
    const gateway = await startProgram('ours', namespace.owning(process.execPath, program, ...words), (said) =>
      /^ready$/m.test(said),
    );
    try {
      await namespace.ip(
        `link set tap0 mtu ${mtu} up`,
        'addr add 192.168.65.3/24 dev tap0',
        'route add default via 192.168.65.1',
      );
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    return { hostAddress: '192.168.65.2', processIds: [gateway.pid], stop: gateway.stop };
  },
};
