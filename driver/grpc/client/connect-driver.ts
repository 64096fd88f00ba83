import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import { createClient, openChannel, type ServiceClient } from '../../../engine/grpc/client';
import { Health } from '../../../proto/generated/grpc/health/v1/health_pb';
import { MachineDriver } from '../../../proto/generated/hyperkit/driver/v1/driver_pb';

/** Contents of PEM files. */
export interface ClientTls {
  /** Whose certificate the server must have. */
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** A connection to `docker-machine-driver-hyperkit serve`. */
export interface DriverConnection {
  readonly driver: ServiceClient<typeof MachineDriver>;
  readonly health: ServiceClient<typeof Health>;
  /** Ends the connection and the calls that are under way. */
  close(): void;
}

/**
 * Connects to a driver.
 * @param address as `serve --listen` takes it: `unix:///PATH`, or `tcp://HOST:PORT`, which needs `tls`
 * @throws TypeError for any other address
 */
export function connectDriver(address: string, tls?: ClientTls): DriverConnection {
  const [, scheme, place = ''] = /^(unix|tcp):\/\/(.+)$/.exec(address) ?? [];
  if (scheme === undefined) throw new TypeError(`cannot connect to ${address}: say unix:///PATH or tcp://HOST:PORT`);
  if (scheme === 'tcp' && tls === undefined)
    throw new TypeError(`cannot connect to ${address}: tcp:// needs TLS files`);
  const channel = openChannel(scheme === 'unix' ? `unix:${place}` : place, credentialsOf(tls));
  return {
    driver: createClient(MachineDriver, channel),
    health: createClient(Health, channel),
    close: () => channel.close(),
  };
}

function credentialsOf(tls: ClientTls | undefined): ChannelCredentials {
  return tls === undefined ? credentials.createInsecure() : credentials.createSsl(tls.ca, tls.key, tls.cert);
}
