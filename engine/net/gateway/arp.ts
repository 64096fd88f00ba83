import { HEADROOM } from '../link/link';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, type MacAddress, writeMac } from '../wire/ethernet';
import type { Neighbour } from './neighbours';
import type { PacketWriter } from './packet-writer';

// ARP for IPv4 over Ethernet (RFC 826): 0 u16 hardware 1, 2 u16 protocol 0x0800, 4 u8 6, 5 u8 4, 6 u16 operation,
// 8 sender MAC (6), 14 sender IP (4), 18 target MAC (6), 24 target IP (4).
export const ARP_BYTES = 28;
const HARDWARE_AND_PROTOCOL = 0x0001_0800;
const LENGTHS_AND_REQUEST = 0x0604_0001;
const LENGTHS_AND_REPLY = 0x0604_0002;

export interface ArpRequest {
  readonly senderIp: number;
  readonly targetIp: number;
}

/** The request at `start`, when it is one; addresses are signed 32-bit words. */
export function readArpRequest(view: DataView, start: number, end: number): ArpRequest | undefined {
  if (end - start < ARP_BYTES) return undefined;
  if (view.getUint32(start) !== HARDWARE_AND_PROTOCOL || view.getUint32(start + 4) !== LENGTHS_AND_REQUEST) {
    return undefined;
  }
  return { senderIp: view.getInt32(start + 14), targetIp: view.getInt32(start + 24) };
}

/** Tells the asking guest that `request.targetIp` is at our MAC. */
export function sendArpReply(writer: PacketWriter, ourMac: MacAddress, to: Neighbour, request: ArpRequest): void {
  const { view } = writer;
  writeMac(view, HEADROOM, to.mac);
  writeMac(view, HEADROOM + 6, ourMac);
  view.setUint16(HEADROOM + 12, ETHERTYPE_ARP);
  const arp = HEADROOM + ETHERNET_HEADER_BYTES;
  view.setUint32(arp, HARDWARE_AND_PROTOCOL);
  view.setUint32(arp + 4, LENGTHS_AND_REPLY);
  writeMac(view, arp + 8, ourMac);
  view.setInt32(arp + 14, request.targetIp);
  writeMac(view, arp + 18, to.mac);
  view.setInt32(arp + 24, request.senderIp);
  writer.sendRaw(to.link, ETHERNET_HEADER_BYTES + ARP_BYTES);
}
