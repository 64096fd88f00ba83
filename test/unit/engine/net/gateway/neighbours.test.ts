import { Neighbours } from '../../../../../engine/net/gateway/neighbours';
import type { Link } from '../../../../../engine/net/link/link';
import { MAPPED_PREFIX, parseAddress } from '../../../../../engine/net/wire/ip-address';

const link = (name: string): Link => ({ name }) as Link;
const address = (text: string) => parseAddress(text)!;

function learn(neighbours: Neighbours, text: string, mac: number, on: Link) {
  const { w0, w1, w2, w3 } = address(text);
  return neighbours.learn(w0, w1, w2, w3, mac, on);
}

it('keeps one record for an address, wherever it moves', () => {
  const neighbours = new Neighbours();
  const [a, b] = [link('a'), link('b')];
  const first = learn(neighbours, '192.168.65.3', 1, a);
  learn(neighbours, 'fd00::3', 1, a);
  expect(learn(neighbours, '192.168.65.3', 2, b)).toBe(first);
  expect(first).toEqual({ mac: 2, link: b, present: true });
  expect(learn(neighbours, '192.168.65.3', 3, b)).toBe(first);
  expect(neighbours.find(address('192.168.65.3'))).toBe(first);
});

it('expects a guest, which is present once it speaks', () => {
  const neighbours = new Neighbours();
  neighbours.expect(address('192.168.65.3'), 1, link('a'));
  const expected = neighbours.find(address('192.168.65.3'));
  expect(expected?.present).toBe(false);
  expect(learn(neighbours, '192.168.65.3', 1, link('a'))).toBe(expected);
  expect(expected?.present).toBe(true);
});

it('forgets who is behind a link that is gone, also the one it saw last', () => {
  const neighbours = new Neighbours();
  const [a, b] = [link('a'), link('b')];
  learn(neighbours, '192.168.65.4', 2, b);
  const gone = learn(neighbours, '192.168.65.3', 1, a);
  neighbours.forget(a);
  expect(neighbours.find(address('192.168.65.3'))).toBeUndefined();
  expect(neighbours.find(address('192.168.65.4'))).toBeDefined();
  expect(learn(neighbours, '192.168.65.3', 1, b)).not.toBe(gone);
});

it('keeps a bounded number, and knows everyone that it answers for', () => {
  const neighbours = new Neighbours();
  const a = link('a');
  for (let count = 0; count < 5000; count++) neighbours.learn(0, 0, MAPPED_PREFIX, 0x0a00_0000 + count, 1, a);
  let known = 0;
  for (let count = 0; count < 5000; count++) {
    if (neighbours.find({ w0: 0, w1: 0, w2: MAPPED_PREFIX, w3: 0x0a00_0000 + count }) !== undefined) known++;
  }
  expect(known).toBe(4096);
});
