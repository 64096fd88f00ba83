import type { NetworkUnderTest } from './network';
import { startProgram } from './running-program';

export const slirp4netns: NetworkUnderTest = {
  name: 'slirp4netns',
  async start(namespace, mtu) {
    const words = ['--configure', '--mtu', String(mtu), '--disable-dns', String(namespace.pid), 'tap0'];
    const gateway = await startProgram('slirp4netns', ['slirp4netns', words], (said) =>
      said.includes('received tapfd'),
    );
    return { hostAddress: '10.0.2.2', processIds: [gateway.pid], stop: gateway.stop };
  },
};
