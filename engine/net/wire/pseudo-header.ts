import { type IpAddress, isV4 } from './ip-address';

/** Sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1) for a transport's checksum. */
export function pseudoSum(source: IpAddress, destination: IpAddress, protocol: number, length: number): number {
  return (
    (isV4(source) ? (source.w3 >>> 0) + (destination.w3 >>> 0) : sumWords(source) + sumWords(destination)) +
    protocol +
    length
  );
}

function sumWords({ w0, w1, w2, w3 }: IpAddress): number {
  return (w0 >>> 0) + (w1 >>> 0) + (w2 >>> 0) + (w3 >>> 0);
}
