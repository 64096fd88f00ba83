import { createServer } from 'node:net';
import { EngineError } from '../../errors';
import type { NetworkSpec } from '../../spec/vm-spec';
import { findListener } from './find-listener';

/**
 * Tries every port before QEMU does, because the kernel tells us why it refuses and QEMU does not say.
 * @throws EngineError HK_ADDRESS_IN_USE, HK_HYPERVISOR_FAILED
 */
export async function checkPorts({ bindAddress, forwards }: NetworkSpec): Promise<void> {
  for (const { hostPort } of forwards) {
    try {
      await tryListen(bindAddress, hostPort);
    } catch (cause) {
      throw await explainListenFailure(bindAddress, hostPort, (cause as NodeJS.ErrnoException).code, cause as Error);
    }
  }
}

async function tryListen(host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen({ host, port, exclusive: true, backlog: 1 }, () => server.close(() => resolve()));
  });
}

/** Why a port can't be listened on, for people: who has it, or what to allow. */
export async function explainListenFailure(
  address: string,
  port: number,
  code: string | undefined,
  cause: Error,
): Promise<EngineError> {
  const what = `cannot listen on ${address}:${port}`;
  switch (code) {
    case 'EADDRINUSE': {
      const holder = await findListener(address, port);
      const who = holder === undefined ? 'another program' : `${holder.name} (process ${holder.pid})`;
      const text = `${what}: ${who} uses it; end that program, or give the machine another address`;
      return new EngineError('HK_ADDRESS_IN_USE', text, { cause });
    }
    case 'EACCES': {
      const text = `${what}: ports below 1024 are reserved for root; use a higher port, or allow it with "sysctl net.ipv4.ip_unprivileged_port_start=${port}"`;
      return new EngineError('HK_HYPERVISOR_FAILED', text, { cause });
    }
    case 'EADDRNOTAVAIL':
      return new EngineError(
        'HK_HYPERVISOR_FAILED',
        `${what}: this computer has no such address; use one that it has`,
        { cause },
      );
    default:
      return new EngineError('HK_HYPERVISOR_FAILED', `${what}: ${cause.message}`, { cause });
  }
}
