// A forwarder whose guest is this computer: real listeners, and connections to 127.0.0.1.
import { createSocket } from 'node:dgram';
import { type AddressInfo, connect, createServer } from 'node:net';
import { EngineError } from '../../../../../engine/errors';
import type { Forward, Forwarder, ForwardSpec } from '../../../../../engine/net/forwards/forwarder';

export class LoopbackForwarder implements Forwarder {
  readonly #forwards = new Set<Forward>();
  readonly #sockets = new Set<{ destroy(): void }>();

  async open(spec: ForwardSpec): Promise<Forward> {
    const [port, close] = spec.protocol === 'udp' ? await this.#openUdp(spec) : await this.#openTcp(spec);
    const { host } = spec;
    const forward: Forward = {
      spec: 'path' in host ? spec : { ...spec, host: { address: host.address, port } },
      close: async () => {
        if (this.#forwards.delete(forward)) await close();
      },
    };
    this.#forwards.add(forward);
    return forward;
  }

  list(): readonly Forward[] {
    return [...this.#forwards];
  }

  async closeAll(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.list().map((forward) => forward.close()));
  }

  #openTcp({ host, guest }: ForwardSpec): Promise<[number, () => Promise<void>]> {
    return new Promise((resolve, reject) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        const inner = connect({ port: guest.port, host: guest.address, allowHalfOpen: true });
        for (const end of [socket, inner]) {
          this.#sockets.add(end);
          end.on('error', () => {}).once('close', () => this.#sockets.delete(end));
        }
        socket.pipe(inner).pipe(socket);
      });
      server.once('error', (error: NodeJS.ErrnoException) => reject(inVpnkitsWords(error, host)));
      const close = () => new Promise<void>((done) => server.close(() => done()));
      const listening = () => {
        const address = server.address() as AddressInfo | string;
        resolve([typeof address === 'string' ? 0 : address.port, close]);
      };
      if ('path' in host) server.listen(host.path, listening);
      else server.listen(host.port, host.address, listening);
    });
  }

  #openUdp({ host, guest }: ForwardSpec): Promise<[number, () => Promise<void>]> {
    return new Promise((resolve, reject) => {
      if ('path' in host) throw new Error('no UDP on paths');
      const type = host.address.includes(':') ? 'udp6' : 'udp4';
      const outer = createSocket(type);
      const inner = createSocket(type);
      let asker = { address: '', port: 0 };
      outer.on('message', (data, from) => {
        asker = from;
        inner.send(data, guest.port, guest.address);
      });
      inner.on('message', (data) => outer.send(data, asker.port, asker.address));
      outer.once('error', (error: NodeJS.ErrnoException) => {
        inner.close();
        reject(inVpnkitsWords(error, host));
      });
      outer.bind(host.port, host.address, () => {
        const close = async () => {
          await new Promise<void>((done) => outer.close(done));
          await new Promise<void>((done) => inner.close(done));
        };
        resolve([outer.address().port, close]);
      });
    });
  }
}

function inVpnkitsWords(error: NodeJS.ErrnoException, host: ForwardSpec['host']): EngineError {
  const name = 'path' in host ? host.path : `${host.address}:${host.port}`;
  const words: Record<string, string> = {
    EADDRINUSE: `Bind for ${name} failed: port is already allocated`,
    EADDRNOTAVAIL: `listen tcp ${name}: bind: cannot assign requested address`,
    EACCES: `Bind for ${name} failed: permission denied`,
  };
  return new EngineError('HK_FORWARD_FAILED', words[error.code ?? ''] ?? error.message, { cause: error });
}
