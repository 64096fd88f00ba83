export const MAC_BYTES = 6;

/** Six pairs of hexadecimal digits with colons, or dashes, between them. */
export function parseMac(text: string): Uint8Array | undefined {
  return /^[0-9a-f]{2}(?:(:[0-9a-f]{2}){5}|(-[0-9a-f]{2}){5})$/i.test(text)
    ? Uint8Array.from(text.split(/[:-]/), (octet) => Number.parseInt(octet, 16))
    : undefined;
}

/** Lower case, with colons. */
export function formatMac(mac: Uint8Array): string {
  return Array.from(mac.subarray(0, MAC_BYTES), (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/** The address as the number below 2^48 that frames are switched by. */
export function macToNumber(mac: Uint8Array): number {
  return mac.subarray(0, MAC_BYTES).reduce((value, octet) => value * 256 + octet, 0);
}

export function macFromNumber(value: number): Uint8Array {
  const mac = new Uint8Array(MAC_BYTES);
  for (let index = MAC_BYTES - 1, rest = value; index >= 0; index--, rest = Math.floor(rest / 256)) {
    mac[index] = rest % 256;
  }
  return mac;
}

/** Whether one card can have this address: six bytes, not zero, not multicast or broadcast. */
export function isStationMac(mac: Uint8Array): boolean {
  return mac.length === MAC_BYTES && (mac[0]! & 1) === 0 && mac.some((octet) => octet !== 0);
}
