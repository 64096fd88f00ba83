import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { AddressBook, MAX_CLIENTS } from '../../../../../engine/net/addressing/address-book';
import type { Admission, Refusal } from '../../../../../engine/net/addressing/admission';
import { formatIpv4, parseIpv4 } from '../../../../../engine/net/addressing/ipv4';
import { formatMac, parseMac } from '../../../../../engine/net/addressing/mac';
import { planNetwork } from '../../../../../engine/net/addressing/plan-network';

const ip = (text: string): number => parseIpv4(text)!;
const mac = (text: string): Uint8Array => parseMac(text)!;
const qemuMac = (number: number): Uint8Array => mac(`52:54:00:00:00:${number.toString(16).padStart(2, '0')}`);
const UUID = 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5';
const OTHER = 'c3d68012-0208-11ea-9fd7-f2189899ab08';

function admitted(answer: Admission | Refusal): Admission {
  if (!answer.admitted) throw new Error(answer.text);
  return answer;
}

const show = (answer: Admission | Refusal): string =>
  answer.admitted ? `${formatMac(answer.mac)} ${formatIpv4(answer.ip)}` : answer.text;

const small = (size: number) => planNetwork({ lowest: '192.168.65.3', highest: `192.168.65.${2 + size}` });

describe("VPNKit's handshake", () => {
  it('counts MACs and addresses from the first', () => {
    const book = new AddressBook(planNetwork());
    expect(show(book.connect({ uuid: UUID }))).toBe('02:50:00:00:00:01 192.168.65.3');
    expect(show(book.connect({ uuid: OTHER }))).toBe('02:50:00:00:00:02 192.168.65.4');
  });

  it('keeps both for a guest that comes back, in whatever case', () => {
    const book = new AddressBook(planNetwork());
    const first = admitted(book.connect({ uuid: UUID }));
    first.leave();
    book.connect({ uuid: OTHER });
    expect(show(book.connect({ uuid: UUID.toUpperCase() }))).toBe(show(first));
    expect(show(book.connect({ uuid: UUID, preferredIp: first.ip }))).toBe(show(first));
  });

  it('takes a guest without UUID', () => {
    const book = new AddressBook(planNetwork());
    const first = admitted(book.connect({ uuid: '\0'.repeat(36) }));
    const second = admitted(book.connect({}));
    expect(second.ip).not.toBe(first.ip);
    expect(first.uuid).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('gives the address that a guest prefers', () => {
    const book = new AddressBook(planNetwork());
    const preferredIp = ip('192.168.65.250');
    expect(show(book.connect({ uuid: UUID, preferredIp }))).toBe('02:50:00:00:00:01 192.168.65.250');
  });

  it("refuses in VPNKit's words", () => {
    const book = new AddressBook(planNetwork({ highest: '192.168.65.250' }));
    const preferredIp = ip('192.168.65.250');
    admitted(book.connect({ uuid: UUID, preferredIp })).leave();
    expect(show(book.connect({ uuid: OTHER, preferredIp }))).toBe('Preferred IP address 192.168.65.250 already used.');
    for (const out of ['192.168.65.251', '192.168.65.2', '0.0.0.0', '255.255.255.255']) {
      expect(show(book.connect({ uuid: OTHER, preferredIp: ip(out) }))).toBe('Preferred IP address out of range.');
    }
    expect(show(book.connect({ uuid: UUID, preferredIp: ip('192.168.65.9') }))).toBe(
      'UUID already assigned to a different IP than the IP requested by the client',
    );
    expect(book.connect({ uuid: 'nonsense' })).toMatchObject({ admitted: false, reason: 'uuid-malformed' });
    // A refusal costs nothing.
    expect(show(book.connect({ uuid: OTHER }))).toBe('02:50:00:00:00:02 192.168.65.3');
  });

  it('gives nobody the addresses of the gateway', () => {
    const book = new AddressBook(planNetwork({ lowest: '192.168.65.1', highest: '192.168.65.4' }));
    expect(show(book.connect({ preferredIp: ip('192.168.65.1') }))).toMatch(/already used/);
    expect(show(book.connect({}))).toMatch(/192.168.65.3$/);
    expect(book.lease(qemuMac(1), ip('192.168.65.2'))).toBe(ip('192.168.65.4'));
  });
});

it('has room for 252 guests, and for more when some are away', () => {
  const book = new AddressBook(planNetwork());
  const guests = Array.from({ length: 252 }, () => {
    const uuid = randomUUID();
    return { uuid, admission: admitted(book.connect({ uuid })) };
  });
  expect(guests.at(-1)!.admission.ip).toBe(ip('192.168.65.254'));
  expect(show(book.connect({ uuid: UUID }))).toBe('No IP addresses available.');

  guests[7]!.admission.leave();
  guests[3]!.admission.leave();
  guests[3]!.admission.leave();
  const next = admitted(book.connect({ uuid: UUID }));
  expect(formatIpv4(next.ip)).toBe('192.168.65.10'); // of guest 7, which has been away for longer
  expect(formatMac(next.mac)).toBe('02:50:00:00:00:fd');
  // Guest 3 still finds what it had; guest 7 does not.
  expect(show(book.connect({ uuid: guests[3]!.uuid }))).toBe(show(guests[3]!.admission));
  expect(show(book.connect({ uuid: guests[7]!.uuid }))).toBe('No IP addresses available.');
});

it('keeps the addresses of a guest until the last of its connections is gone', () => {
  const book = new AddressBook(small(1));
  const first = admitted(book.connect({ uuid: UUID }));
  const second = admitted(book.connect({ uuid: UUID }));
  first.leave();
  expect(book.connect({ uuid: OTHER })).toMatchObject({ reason: 'no-ip-left' });
  second.leave();
  expect(book.connect({ uuid: OTHER })).toMatchObject({ admitted: true, ip: first.ip });
});

it('forgets strangers that only asked DHCP before guests that were here', () => {
  const book = new AddressBook(small(3));
  const known = admitted(book.connect({ uuid: UUID }));
  known.leave();
  for (let number = 0; number < 200; number++) expect(typeof book.lease(qemuMac(number))).toBe('number');
  expect(show(book.connect({ uuid: UUID }))).toBe(show(known));
});

describe('guests known by their MAC', () => {
  it('get an address, the one they want if it is free, and keep it', () => {
    const book = new AddressBook(planNetwork());
    book.connect({ uuid: UUID });
    expect(book.lease(qemuMac(1))).toBe(ip('192.168.65.4'));
    expect(book.lease(qemuMac(2), ip('192.168.65.77'))).toBe(ip('192.168.65.77'));
    expect(book.lease(qemuMac(3), ip('192.168.65.77'))).toBe(ip('192.168.65.5'));
    expect(book.lease(qemuMac(3), ip('10.9.9.9'))).toBe(ip('192.168.65.5'));
    expect(book.attach(qemuMac(2))).toMatchObject({ ip: ip('192.168.65.77'), uuid: undefined });
  });

  it('are safe from others while they are attached', () => {
    const book = new AddressBook(small(1));
    const { leave, ip: own } = admitted(book.attach(qemuMac(1)));
    expect(book.lease(qemuMac(2))).toMatchObject({ text: 'No IP addresses available.' });
    leave();
    expect(book.lease(qemuMac(2))).toBe(own);
  });

  it('are refused with a MAC that no card has', () => {
    const book = new AddressBook(planNetwork());
    for (const bad of ['00:00:00:00:00:00', 'ff:ff:ff:ff:ff:ff', 'f6:16:36:bc:f9:c6']) {
      expect(book.attach(mac(bad))).toMatchObject({ reason: 'mac-unusable' });
    }
  });

  it('never collide with the MACs of the handshake', () => {
    const book = new AddressBook(planNetwork());
    admitted(book.attach(mac('02:50:00:00:00:01')));
    expect(show(book.connect({ uuid: UUID }))).toBe('02:50:00:00:00:02 192.168.65.4');
  });

  it('get another address when somebody uses theirs, which rests from then on', () => {
    const book = new AddressBook(small(3));
    const first = book.lease(qemuMac(1)) as number;
    expect(book.decline(qemuMac(2), first)).toBe(false);
    expect(book.decline(qemuMac(1), first)).toBe(true);
    expect(book.ipOf(qemuMac(1))).toBe(first + 1);
    expect(book.macOf(first)).toBeUndefined();
    expect(book.lease(qemuMac(2), first)).toBe(first + 2);
    // An address of the handshake stays: others know it.
    const fixed = admitted(book.connect({ uuid: UUID }));
    expect(book.decline(fixed.mac, fixed.ip)).toBe(false);
  });

  it('can decline for ever without locking everybody out', () => {
    const book = new AddressBook(planNetwork());
    admitted(book.attach(qemuMac(1)));
    for (let count = 0; count < 1000; count++) expect(book.decline(qemuMac(1), book.ipOf(qemuMac(1))!)).toBe(true);
    const others = Array.from({ length: 251 }, (_, number) =>
      book.attach(mac(formatMac(Uint8Array.of(2, 0, 0, 0, 1, number)))),
    );
    expect(others.filter(({ admitted }) => !admitted)).toEqual([]);
  });
});

describe('fixed leases', () => {
  const plan = planNetwork({
    lowest: '192.168.65.10',
    highest: '192.168.65.12',
    guests: [
      { mac: '52:54:00:00:00:01', ip: '192.168.65.10' },
      { mac: '5a:94:ef:e4:0c:ee', uuid: OTHER, ip: '192.168.65.7' },
      { mac: '02:50:00:00:00:02', ip: '192.168.65.8' },
    ],
  });

  it('are given by MAC and by UUID, and to nobody else', () => {
    const book = new AddressBook(plan);
    expect(show(book.connect({ uuid: UUID, preferredIp: ip('192.168.65.10') }))).toMatch(/already used/);
    expect(show(book.connect({ uuid: UUID }))).toBe('02:50:00:00:00:01 192.168.65.11');
    expect(show(book.connect({ uuid: OTHER }))).toBe('5a:94:ef:e4:0c:ee 192.168.65.7');
    expect(show(book.connect({ uuid: OTHER, preferredIp: ip('192.168.65.12') }))).toMatch(/already assigned/);
    expect(show(book.connect({ uuid: randomUUID() }))).toBe('02:50:00:00:00:02 192.168.65.8');
    expect(book.lease(qemuMac(1))).toBe(ip('192.168.65.10'));
    expect(book.lease(qemuMac(2))).toBe(ip('192.168.65.12'));
  });

  it('are never freed', () => {
    const book = new AddressBook(plan);
    admitted(book.attach(qemuMac(1))).leave();
    for (let count = 0; count < 2; count++) admitted(book.attach(qemuMac(10 + count)));
    expect(book.attach(qemuMac(20))).toMatchObject({ reason: 'no-ip-left' });
    expect(book.decline(qemuMac(1), ip('192.168.65.10'))).toBe(false);
  });
});

it('remembers no more guests than it can hold', () => {
  const book = new AddressBook(planNetwork({ gateway: '10.0.0.1', lowest: '10.0.0.3', highest: '10.255.255.254' }));
  for (let number = 0; number < MAX_CLIENTS + 50; number++) {
    const address = mac(formatMac(Uint8Array.of(2, 0, 0, 0, number >> 8, number & 255)));
    expect(book.lease(address, ip('10.0.0.0') + 100_000 + number)).toBe(ip('10.0.0.0') + 100_000 + number);
  }
  admitted(book.connect({ preferredIp: ip('10.200.0.1') }));
  expect(book.clients()).toHaveLength(MAX_CLIENTS);
});

it('never gives two guests the same, whatever happens', () => {
  const step = fc.record({
    what: fc.constantFrom('connect', 'attach', 'lease', 'decline', 'leave', 'restart'),
    who: fc.nat(11),
    preferred: fc.option(fc.integer({ min: 0, max: 9 })),
  });
  const settings = {
    lowest: '192.168.65.1',
    highest: '192.168.65.8',
    guests: [
      { mac: '52:54:00:00:00:01', ip: '192.168.65.5' },
      { mac: '52:54:00:00:00:02', uuid: `${'0'.repeat(8)}-0000-4000-8000-${'2'.padStart(12, '0')}` },
    ],
  };
  const plan = planNetwork(settings);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      let book = new AddressBook(plan);
      const here = new Map<string, Admission[]>();
      for (const { what, who, preferred } of steps) {
        const uuid = `00000000-0000-4000-8000-${String(who).padStart(12, '0')}`;
        const preferredIp = preferred === null ? undefined : ip('192.168.65.0') + preferred;
        const name = what === 'attach' ? `m${who}` : `u${who}`;
        const known = here.get(name) ?? [];
        if (what === 'connect' || what === 'attach') {
          const answer = what === 'connect' ? book.connect({ uuid, preferredIp }) : book.attach(qemuMac(who));
          if (answer.admitted) {
            // Who is here already gets the same again.
            const before = known[0];
            if (before && what === 'connect') expect(show(answer)).toBe(show(before));
            here.set(name, [...known, answer]);
          }
        } else if (what === 'lease') book.lease(qemuMac(who), preferredIp);
        else if (what === 'decline') book.decline(qemuMac(who), book.ipOf(qemuMac(who)) ?? 0);
        else if (what === 'leave') {
          known.pop()?.leave();
          if (known.length === 0) here.delete(name);
        } else {
          const saved: unknown = JSON.parse(JSON.stringify(book));
          book = new AddressBook(plan);
          expect(book.load(saved)).toBeUndefined();
          here.clear();
        }
        const clients = book.clients();
        for (const field of ['ip', 'mac'] as const) {
          expect(new Set(clients.map((client) => String(client[field]))).size).toBe(clients.length);
        }
        for (const { ip: address, mac: owner } of clients) {
          expect([plan.gateway, plan.hostAlias]).not.toContain(address);
          expect(book.macOf(address)).toEqual(owner);
          expect(book.ipOf(owner)).toBe(address);
        }
        // Nobody who is here lost anything.
        for (const [owner, admissions] of here) {
          for (const admission of admissions) {
            const client = clients.find((candidate) => formatMac(candidate.mac) === formatMac(admission.mac));
            expect(client?.isConnected).toBe(true);
            if (owner.startsWith('u')) expect(client?.ip).toBe(admission.ip);
          }
        }
      }
    }),
    { numRuns: 60 },
  );
});

describe('as JSON', () => {
  it('comes back with the same guests in the same order', () => {
    const book = new AddressBook(planNetwork());
    admitted(book.connect({ uuid: UUID })).leave();
    admitted(book.attach(qemuMac(1))).leave();
    admitted(book.connect({}));
    book.lease(qemuMac(9));
    const saved: unknown = JSON.parse(JSON.stringify(book));
    expect(saved).toEqual({
      version: 1,
      nextNumber: 2,
      clients: [
        { mac: '02:50:00:00:00:01', ip: '192.168.65.3', uuid: UUID },
        { mac: '52:54:00:00:00:01', ip: '192.168.65.4' },
      ],
    });
    const again = new AddressBook(planNetwork());
    expect(again.load(saved)).toBeUndefined();
    expect(show(again.connect({ uuid: UUID }))).toBe('02:50:00:00:00:01 192.168.65.3');
    expect(again.lease(qemuMac(1))).toBe(ip('192.168.65.4'));
    expect(show(again.connect({ uuid: OTHER }))).toMatch(/^02:50:00:00:00:02 /);
  });

  it('loses only the guests that make no sense in this network', () => {
    const book = new AddressBook(
      planNetwork({ guests: [{ mac: '52:54:00:00:00:07', ip: '192.168.65.7', uuid: OTHER }] }),
    );
    const good = { mac: '02:50:00:00:00:01', ip: '192.168.65.3', uuid: UUID };
    const bad = [
      { ...good, ip: '192.168.65.4' }, // the same MAC and UUID again
      { mac: '02:50:00:00:00:02', ip: '192.168.65.3' }, // the same address again
      { mac: '02:50:00:00:00:02', ip: '192.168.65.1' }, // the gateway's
      { mac: '02:50:00:00:00:02', ip: '10.0.0.3' },
      { mac: '02:50:00:00:00:02', ip: '192.168.65.7' }, // somebody's fixed one
      { mac: '52:54:00:00:00:07', ip: '192.168.65.9' }, // has a fixed one
      { mac: '02:50:00:00:00:02', ip: '192.168.65.9', uuid: OTHER }, // belongs to another MAC
      { mac: 'f6:16:36:bc:f9:c6', ip: '192.168.65.9' },
      { mac: 'ff:ff:ff:ff:ff:ff', ip: '192.168.65.9' },
      { mac: '02:50:00:00:00:02', ip: '192.168.65.9', uuid: 'x' },
      { mac: '02:50:00:00:00:02' },
      null,
    ];
    expect(book.load({ version: 1, nextNumber: 3, clients: [good, ...bad] })).toBe("12 of its 13 guests can't be used");
    expect(book.clients().map(({ mac }) => formatMac(mac))).toEqual(['02:50:00:00:00:01']);
  });

  it('may be anything', () => {
    const client = fc.record({
      mac: fc.oneof(fc.constantFrom('02:50:00:00:00:01', '52:54:00:00:00:01'), fc.anything()),
      ip: fc.oneof(fc.constantFrom('192.168.65.3', '192.168.65.1', '1.1.1.1'), fc.anything()),
      uuid: fc.oneof(fc.constantFrom(UUID, OTHER, undefined), fc.anything()),
    });
    const shaped = fc.record({
      version: fc.oneof(fc.constant(1), fc.anything()),
      nextNumber: fc.oneof(fc.constantFrom(1, 0xffff_ffff, 0, 2 ** 32), fc.anything()),
      clients: fc.oneof(fc.array(fc.oneof(client, fc.anything())), fc.anything()),
    });
    fc.assert(
      fc.property(fc.oneof(shaped, fc.anything()), (saved) => {
        const book = new AddressBook(planNetwork());
        book.load(saved);
        const guest = admitted(book.connect({ uuid: UUID }));
        expect(guest.ip).toBeGreaterThanOrEqual(ip('192.168.65.3'));
        expect(guest.ip).toBeLessThanOrEqual(ip('192.168.65.254'));
        admitted(book.connect({ uuid: OTHER }));
      }),
    );
  });

  it('counts on from the last MAC there can be', () => {
    const book = new AddressBook(planNetwork());
    book.load({ version: 1, nextNumber: 0xffff_ffff, clients: [] });
    expect(show(book.connect({}))).toMatch(/^02:50:ff:ff:ff:ff /);
    expect(show(book.connect({}))).toMatch(/^02:50:00:00:00:01 /);
  });
});
