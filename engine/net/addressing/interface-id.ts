import { createHash } from 'node:crypto';

const ID_BYTES = 8;

/**
 * The modified EUI-64 of an Ethernet address, 8 bytes (RFC 4291 appendix A): ff:fe in the middle, the
 * universal/local bit turned. What a guest that follows RFC 4862 without privacy extensions makes of its MAC.
 */
export function eui64(mac: Uint8Array): Uint8Array {
  const [first, second, third, ...rest] = mac;
  return Uint8Array.of(first! ^ 0x02, second!, third!, 0xff, 0xfe, ...rest);
}

/**
 * An interface identifier, 8 bytes, that stays the same in one network and says nothing about the card (RFC 7217).
 * `attempt` counts up when an identifier turns out to be in use.
 */
export function stableInterfaceId(prefix: Uint8Array, mac: Uint8Array, secret: Uint8Array, attempt = 0): Uint8Array {
  for (let counter = attempt; ; counter++) {
    const digest = createHash('sha256')
      .update(prefix.subarray(0, ID_BYTES))
      .update(mac)
      .update(String(counter))
      .update(':')
      .update(secret)
      .digest();
    const id = Uint8Array.from(digest.subarray(0, ID_BYTES));
    if (!isReservedInterfaceId(id)) return id;
  }
}

/** RFC 5453: the subnet's routers (all zero) and the reserved anycast addresses fdff:ffff:ffff:ff80 to …:ffff. */
export function isReservedInterfaceId(id: Uint8Array): boolean {
  const isAnycast = id[0] === 0xfd && id.subarray(1, 7).every((octet) => octet === 0xff) && id[7]! >= 0x80;
  return isAnycast || id.every((octet) => octet === 0);
}
