import fc from 'fast-check';
import type { Connection } from '../../../../../engine/net/tcp/connection';
import { ConnectionTable, hash } from '../../../../../engine/net/tcp/connection-table';
import type { TcpEnds } from '../../../../../engine/net/tcp/tcp-context';

const word = fc.constantFrom(0, 1, -1, 0xffff, 0x0a00_0001, 0x7fff_ffff);
const address = fc.record({ w0: word, w1: word, w2: word, w3: word });
const port = fc.constantFrom(0, 1, 80, 65_535);
const ends: fc.Arbitrary<TcpEnds> = fc.record({ guest: address, guestPort: port, remote: address, remotePort: port });

const keyOf = ({ guest, guestPort, remote, remotePort }: TcpEnds): string =>
  [guest, remote]
    .map((address) => Object.values(address).join())
    .concat(String(guestPort), String(remotePort))
    .join();

it('finds what was added and not removed, also where hashes are the same', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), ends), { maxLength: 60 }), fc.boolean(), (steps, collide) => {
      const table = new ConnectionTable();
      const model = new Map<string, Connection>();
      for (const [adds, which] of steps) {
        const key = keyOf(which);
        const known = model.get(key);
        expect(collide ? known : table.find(which)).toBe(known);
        if (adds && known === undefined) {
          const connection = { ends: which, hash: collide ? 7 : hash(which), next: undefined } as Connection;
          table.add(connection);
          model.set(key, connection);
        } else if (!adds && known !== undefined) {
          table.remove(known);
          table.remove(known);
          model.delete(key);
          if (!collide) expect(table.find(which)).toBeUndefined();
        }
        expect(table.size).toBe(model.size);
        expect(new Set(table)).toEqual(new Set(model.values()));
      }
    }),
  );
});

it('can be walked through while connections leave', () => {
  const table = new ConnectionTable();
  const at = { w0: 0, w1: 0, w2: 0xffff, w3: 1 };
  for (let guestPort = 0; guestPort < 100; guestPort++) {
    table.add({
      ends: { guest: at, guestPort, remote: at, remotePort: 1 },
      hash: guestPort % 7,
      next: undefined,
    } as Connection);
  }
  let seen = 0;
  for (const connection of table) {
    seen++;
    table.remove(connection);
  }
  expect([seen, table.size]).toEqual([100, 0]);
});

it('spreads ports and addresses', () => {
  const hashes = new Set<number>();
  for (let guestPort = 0; guestPort < 64; guestPort++) {
    for (let last = 0; last < 64; last++) {
      const guest = { w0: 0, w1: 0, w2: 0xffff, w3: 0xc0a8_4103 | 0 };
      hashes.add(
        hash({ guest, guestPort: 32_768 + guestPort, remote: { ...guest, w3: 0x0a00_0000 + last }, remotePort: 443 }),
      );
    }
  }
  expect(hashes.size).toBeGreaterThan(4080);
  for (const one of hashes) expect(one).toBeLessThan(2 ** 30);
});
