import { createServer } from 'node:net';

/** Outcome of trying to listen on an address and port. */
export type BindOutcome = 'free' | 'in-use' | 'no-permission' | 'not-ours';

/** Tries to listen on `address:port` and lets go at once. */
export function tryBind(address: string, port: number): Promise<BindOutcome> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve('in-use');
      else if (error.code === 'EACCES' || error.code === 'EPERM') resolve('no-permission');
      else if (error.code === 'EADDRNOTAVAIL' || error.code === 'EINVAL') resolve('not-ours');
      else reject(error);
    });
    server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve('free')));
  });
}
