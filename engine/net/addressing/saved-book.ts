import { formatIpv4, parseIpv4 } from './ipv4';
import { formatMac, isStationMac, parseMac } from './mac';
import { parseUuid } from './uuid';

/** An address book as JSON, the guest that was here most recently last. */
export interface SavedBook {
  readonly version: 1;
  /** Of the next MAC that VPNKit's handshake gives. */
  readonly nextNumber: number;
  readonly clients: readonly { readonly mac: string; readonly ip: string; readonly uuid?: string }[];
}

export interface BookContent {
  readonly nextNumber: number;
  readonly clients: readonly { readonly mac: string; readonly ip: number; readonly uuid: string | undefined }[];
  /** How many guests make no sense. */
  readonly refused: number;
}

/** Reads what may be anything; a text says why it is no address book. Guests beyond the last `maxClients` are refused. */
export function readBook(saved: unknown, maxClients: number): BookContent | string {
  if (!isRecord(saved) || saved['version'] !== 1) return 'it is not an address book';
  const { nextNumber, clients } = saved;
  if (!Number.isInteger(nextNumber) || (nextNumber as number) < 1 || (nextNumber as number) > 0xffff_ffff) {
    return 'its next number is none';
  }
  if (!Array.isArray(clients)) return 'it has no list of guests';
  const readable = clients.slice(-maxClients).flatMap(readClient);
  return { nextNumber: nextNumber as number, clients: readable, refused: clients.length - readable.length };
}

function readClient(value: unknown): BookContent['clients'] {
  if (!isRecord(value)) return [];
  const mac = readText(value['mac'], parseMac);
  const ip = readText(value['ip'], parseIpv4);
  const uuid = readText(value['uuid'], parseUuid);
  if (mac === undefined || !isStationMac(mac) || ip === undefined) return [];
  if (uuid === undefined && value['uuid'] !== undefined) return [];
  return [{ mac: formatMac(mac), ip, uuid }];
}

function readText<T>(value: unknown, parse: (text: string) => T | undefined): T | undefined {
  return typeof value === 'string' ? parse(value) : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

export function writeBook(nextNumber: number, clients: BookContent['clients']): SavedBook {
  return {
    version: 1,
    nextNumber,
    clients: clients.map(({ mac, ip, uuid }) => ({ mac, ip: formatIpv4(ip), ...(uuid !== undefined && { uuid }) })),
  };
}
