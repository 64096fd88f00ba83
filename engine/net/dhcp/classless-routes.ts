import type { Ipv4Prefix } from '../addressing/ipv4';
import { writeU32 } from './message';

export interface Route {
  readonly destination: Ipv4Prefix;
  /** The router's address. */
  readonly via: number;
}

/** RFC 3442: for each route the bits of its prefix (1 byte), as many bytes of it as these fill, the router (4 bytes). */
export function encodeRoutes(routes: readonly Route[]): Uint8Array {
  return Buffer.concat(
    routes.flatMap(({ destination, via }) => [
      Uint8Array.of(destination.bits),
      writeU32(destination.address).subarray(0, Math.ceil(destination.bits / 8)),
      writeU32(via),
    ]),
  );
}
