import { randomUUID } from 'node:crypto';
import type { Admission, Client, ConnectRequest, Refusal, RefusalReason } from './admission';
import { formatIpv4 } from './ipv4';
import { formatMac, isStationMac, parseMac } from './mac';
import type { KnownGuest, NetworkPlan } from './network-plan';
import { readBook, type SavedBook, writeBook } from './saved-book';
import { isBlankUuid, parseUuid } from './uuid';

/** Bounds memory where the network has more addresses than anybody needs. */
export const MAX_CLIENTS = 4096;

/** Addresses that a guest found in use by somebody else; more of them are no reason to lock out everybody. */
const MAX_DECLINED = 16;

const LAST_CLIENT_NUMBER = 0xffff_ffff;

interface Entry {
  /** As formatMac writes it. */
  readonly mac: string;
  ip: number;
  uuid: string | undefined;
  connections: number;
  /** Was admitted and can come back; everybody else has only asked DHCP, or has a UUID that was made up here. */
  isRemembered: boolean;
}

/**
 * Who has which addresses in one network. A guest is known by its UUID (VPNKit's handshake) or by its MAC alone
 * (tap, QEMU), and gets the same addresses whenever it comes back. When there are no more, those of the guest that has
 * been away for longest are given to the next; VPNKit never does that and runs out.
 */
export class AddressBook {
  readonly #plan: NetworkPlan;
  readonly #gatewayMac: string;
  readonly #changed: () => void;
  readonly #guestByMac = new Map<string, KnownGuest>();
  readonly #guestByUuid = new Map<string, KnownGuest>();
  readonly #fixedIps = new Set<number>();
  /** By MAC, in the order of use: the first is the first to go. */
  readonly #entries = new Map<string, Entry>();
  readonly #byUuid = new Map<string, Entry>();
  readonly #byIp = new Map<number, Entry>();
  /** In the order of declining. */
  readonly #declined = new Set<number>();
  #nextNumber = 1;

  /** `changed` is told when toJSON() would list other guests. */
  constructor(plan: NetworkPlan, changed: () => void = () => {}) {
    this.#plan = plan;
    this.#gatewayMac = formatMac(plan.gatewayMac);
    this.#changed = changed;
    for (const guest of plan.guests) {
      this.#guestByMac.set(guest.mac, guest);
      if (guest.uuid !== undefined) this.#guestByUuid.set(guest.uuid, guest);
      if (guest.ip !== undefined) this.#fixedIps.add(guest.ip);
    }
  }

  /** Admits a guest of VPNKit's handshake. */
  connect({ uuid: text, preferredIp }: ConnectRequest): Admission | Refusal {
    const isBlank = text === undefined || isBlankUuid(text);
    const uuid = isBlank ? randomUUID() : parseUuid(text);
    if (uuid === undefined) return refuse('uuid-malformed', 'Malformed UUID.');
    const guest = this.#guestByUuid.get(uuid);
    const entry = this.#byUuid.get(uuid) ?? (guest && this.#entries.get(guest.mac));
    const mac = entry?.mac ?? guest?.mac ?? this.#nextMac();
    const assignedIp = entry?.ip ?? this.#guestByMac.get(mac)?.ip;
    if (assignedIp !== undefined && preferredIp !== undefined && preferredIp !== assignedIp) {
      const text = 'UUID already assigned to a different IP than the IP requested by the client';
      return refuse('uuid-has-another-ip', text);
    }
    if (entry !== undefined) return this.#admit(entry, uuid, !isBlank);
    const ip = assignedIp ?? (preferredIp === undefined ? this.#chooseIp() : this.#checkPreferredIp(preferredIp));
    return typeof ip === 'number' ? this.#admit(this.#enter(mac, ip), uuid, !isBlank) : ip;
  }

  /**
   * Admits a guest that has a MAC of its own: QEMU's card, or what a tap's frames come from. Nobody else gets its
   * addresses before it leaves.
   */
  attach(mac: Uint8Array): Admission | Refusal {
    const entry = this.#findOrEnter(mac);
    return 'reason' in entry ? entry : this.#admit(entry, entry.uuid, true);
  }

  /**
   * The address of the guest with this MAC, for DHCP. One that nobody knows gets its fixed address, else the one it
   * wants, else the next; it is sure of it only while it is attached.
   */
  lease(mac: Uint8Array, wantedIp?: number): number | Refusal {
    const entry = this.#findOrEnter(mac, wantedIp);
    if ('reason' in entry) return entry;
    this.#touch(entry);
    return entry.ip;
  }

  /**
   * The guest says that somebody else uses its address: gives it another one, and this one to nobody. Answers whether
   * it did; addresses of VPNKit's handshake and fixed ones stay, because others have been told of them.
   */
  decline(mac: Uint8Array, ip: number): boolean {
    const entry = this.#entries.get(formatMac(mac));
    if (entry?.ip !== ip || entry.uuid !== undefined || this.#fixedIps.has(ip)) return false;
    const other = this.#chooseIp(entry);
    if (typeof other !== 'number') return false;
    this.#byIp.delete(ip);
    this.#declined.add(ip);
    const [oldest] = this.#declined;
    if (this.#declined.size > MAX_DECLINED) this.#declined.delete(oldest!);
    entry.ip = other;
    this.#byIp.set(other, entry);
    if (entry.isRemembered) this.#changed();
    return true;
  }

  ipOf(mac: Uint8Array): number | undefined {
    return this.#entries.get(formatMac(mac))?.ip;
  }

  /** What ARP says of a guest's address; 6 bytes. */
  macOf(ip: number): Uint8Array | undefined {
    const entry = this.#byIp.get(ip);
    return entry && parseMac(entry.mac);
  }

  /** All that have addresses, the one that was here most recently last. */
  clients(): readonly Client[] {
    return [...this.#entries.values()].map(({ uuid, mac, ip, connections }) => ({
      uuid,
      mac: parseMac(mac)!,
      ip,
      isConnected: connections > 0,
    }));
  }

  /** What {@link load} reads: the guests that were admitted and can come back. */
  toJSON(): SavedBook {
    return writeBook(
      this.#nextNumber,
      [...this.#entries.values()].filter(({ isRemembered }) => isRemembered),
    );
  }

  /**
   * Takes over what toJSON() said earlier, as far as it is usable in this network and does not contradict what the
   * book already holds. Takes anything; answers what is wrong with it, if anything is.
   */
  load(saved: unknown): string | undefined {
    const book = readBook(saved, MAX_CLIENTS);
    if (typeof book === 'string') return book;
    this.#nextNumber = book.nextNumber;
    const usable = book.clients.filter(({ mac, ip, uuid }) => {
      if (!this.#canRestore(mac, ip, uuid)) return false;
      const entry = this.#add(mac, ip);
      entry.isRemembered = true;
      if (uuid !== undefined) this.#introduce(entry, uuid);
      return true;
    });
    const refused = book.refused + book.clients.length - usable.length;
    return refused === 0 ? undefined : `${refused} of its ${refused + usable.length} guests can't be used`;
  }

  #canRestore(mac: string, ip: number, uuid: string | undefined): boolean {
    if (this.#entries.size >= MAX_CLIENTS || this.#entries.has(mac) || mac === this.#gatewayMac) return false;
    const fixedIp = this.#guestByMac.get(mac)?.ip;
    const isRightIp = fixedIp === undefined ? this.#isInRange(ip) && this.#isFree(ip) : ip === fixedIp;
    if (uuid === undefined || !isRightIp) return isRightIp;
    const macOfUuid = this.#guestByUuid.get(uuid)?.mac ?? mac;
    return !this.#byUuid.has(uuid) && macOfUuid === mac;
  }

  #admit(entry: Entry, uuid: string | undefined, canReturn: boolean): Admission {
    const isNews = canReturn && (!entry.isRemembered || entry.uuid !== uuid);
    if (uuid !== undefined) this.#introduce(entry, uuid);
    if (canReturn) entry.isRemembered = true;
    entry.connections++;
    this.#touch(entry);
    if (isNews) this.#changed();
    let isHere = true;
    return {
      admitted: true,
      uuid,
      mac: parseMac(entry.mac)!,
      ip: entry.ip,
      leave: () => {
        if (!isHere) return;
        isHere = false;
        entry.connections--;
        this.#touch(entry);
      },
    };
  }

  #findOrEnter(mac: Uint8Array, wantedIp?: number): Entry | Refusal {
    const text = formatMac(mac);
    const entry = this.#entries.get(text);
    if (entry !== undefined) return entry;
    if (!isStationMac(mac) || text === this.#gatewayMac) {
      return refuse('mac-unusable', `No guest can have the MAC address ${text}.`);
    }
    const fixedIp = this.#guestByMac.get(text)?.ip;
    const isWantedFree = wantedIp !== undefined && this.#isInRange(wantedIp) && this.#isFree(wantedIp);
    const ip = fixedIp ?? (isWantedFree && this.#hasRoom() ? wantedIp : this.#chooseIp());
    return typeof ip === 'number' ? this.#enter(text, ip) : ip;
  }

  #checkPreferredIp(ip: number): number | Refusal {
    if (!this.#isInRange(ip)) return refuse('ip-out-of-range', 'Preferred IP address out of range.');
    this.#declined.delete(ip);
    if (!this.#isFree(ip)) return refuse('ip-taken', `Preferred IP address ${formatIpv4(ip)} already used.`);
    return this.#hasRoom() ? ip : noIpLeft();
  }

  /** The lowest free address, else that of the guest that is missed least; never takes the one of `keeping`. */
  #chooseIp(keeping?: Entry): number | Refusal {
    if (this.#entries.size >= MAX_CLIENTS) return this.#evict(keeping) ?? noIpLeft();
    const ip = this.#lowestFree() ?? this.#evict(keeping) ?? [...this.#declined][0];
    if (ip === undefined) return noIpLeft();
    this.#declined.delete(ip);
    return ip;
  }

  #hasRoom(): boolean {
    return this.#entries.size < MAX_CLIENTS || this.#evict() !== undefined;
  }

  /** Forgets a guest that is away and answers its address: strangers first, then who has been away for longest. */
  #evict(keeping?: Entry): number | undefined {
    const away = [...this.#entries.values()].filter(
      (entry) => entry !== keeping && entry.connections === 0 && !this.#fixedIps.has(entry.ip),
    );
    const entry = away.find(({ isRemembered }) => !isRemembered) ?? away[0];
    if (entry === undefined) return undefined;
    this.#entries.delete(entry.mac);
    this.#byIp.delete(entry.ip);
    if (entry.uuid !== undefined) this.#byUuid.delete(entry.uuid);
    if (entry.isRemembered) this.#changed();
    return entry.ip;
  }

  #lowestFree(): number | undefined {
    for (let ip = this.#plan.lowest; ip <= this.#plan.highest; ip++) if (this.#isFree(ip)) return ip;
    return undefined;
  }

  #isInRange(ip: number): boolean {
    return ip >= this.#plan.lowest && ip <= this.#plan.highest;
  }

  #isFree(ip: number): boolean {
    const isOurs = ip === this.#plan.gateway || ip === this.#plan.hostAlias;
    return !isOurs && !this.#fixedIps.has(ip) && !this.#declined.has(ip) && !this.#byIp.has(ip);
  }

  /** VPNKit's MACs: 02:50 and the number of the guest, big endian, counted from 1. */
  #nextMac(): string {
    for (;;) {
      const octets = Buffer.from([0x02, 0x50, 0, 0, 0, 0]);
      octets.writeUInt32BE(this.#nextNumber, 2);
      const mac = formatMac(octets);
      const isOthers = mac === this.#gatewayMac || this.#guestByMac.get(mac)?.uuid !== undefined;
      if (!isOthers && !this.#entries.has(mac)) return mac;
      this.#nextNumber = this.#nextNumber === LAST_CLIENT_NUMBER ? 1 : this.#nextNumber + 1;
    }
  }

  #enter(mac: string, ip: number): Entry {
    this.#declined.delete(ip);
    return this.#add(mac, ip);
  }

  #add(mac: string, ip: number): Entry {
    const entry: Entry = { mac, ip, uuid: undefined, connections: 0, isRemembered: false };
    this.#entries.set(mac, entry);
    this.#byIp.set(ip, entry);
    return entry;
  }

  #introduce(entry: Entry, uuid: string): void {
    if (entry.uuid !== undefined) this.#byUuid.delete(entry.uuid);
    entry.uuid = uuid;
    this.#byUuid.set(uuid, entry);
  }

  #touch(entry: Entry): void {
    this.#entries.delete(entry.mac);
    this.#entries.set(entry.mac, entry);
  }
}

function refuse(reason: RefusalReason, text: string): Refusal {
  return { admitted: false, reason, text };
}

function noIpLeft(): Refusal {
  return refuse('no-ip-left', 'No IP addresses available.');
}
