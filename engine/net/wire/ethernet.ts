/** Ethernet II: 0 destination (6), 6 source (6), 12 u16 type, 14 payload. */
export const ETHERNET_HEADER_BYTES = 14;
export const ETHERTYPE_OFFSET = 12;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;

/** An Ethernet address as a number below 2^48, which compares and hashes faster than bytes; see addressing/mac.ts. */
export type MacAddress = number;

export const BROADCAST: MacAddress = 0xffff_ffff_ffff;

export function readMac(view: DataView, offset: number): MacAddress {
  return view.getUint16(offset) * 0x1_0000_0000 + view.getUint32(offset + 2);
}

export function writeMac(view: DataView, offset: number, mac: MacAddress): void {
  view.setUint16(offset, Math.floor(mac / 0x1_0000_0000));
  view.setUint32(offset + 2, mac % 0x1_0000_0000);
}

/** Broadcast and multicast addresses have the lowest bit of their first byte set. */
export function isGroupAddress(mac: MacAddress): boolean {
  return (Math.floor(mac / 0x100_0000_0000) & 1) === 1;
}
