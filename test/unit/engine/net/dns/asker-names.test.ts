import type { DnsReply } from './dns-fixture';
import { ask, openStream, question, startDns } from './dns-fixture';

const answersOf = ({ answers = [] }: DnsReply): unknown[] => answers.map((answer) => 'data' in answer && answer.data);

test('a guest finds itself by a name', async () => {
  const { dns } = startDns({ askerNames: ['vm.internal', 'me'] });
  expect(answersOf(await ask(dns, { name: 'vm.internal' }))).toEqual(['192.168.65.3']);
  expect(answersOf(await ask(dns, { name: 'ME' }))).toEqual(['192.168.65.3']);
});

test('a name of that kind has no address of the other family, and others are not known by it', async () => {
  const { dns } = startDns({ askerNames: ['vm.internal'] });
  expect(await ask(dns, { name: 'vm.internal', type: 'AAAA' })).toMatchObject({ rcode: 'NOERROR', answers: [] });
  expect(answersOf(await ask(dns, { name: 'x.vm.internal' }))).toEqual([]);
});

test('own names come before, and TCP is the same', async () => {
  const { dns } = startDns({ askerNames: ['vm.internal'], names: new Map([['vm.internal', ['192.168.65.1']]]) });
  expect(answersOf(await ask(dns, { name: 'vm.internal' }))).toEqual(['192.168.65.1']);
  const { dns: other } = startDns({ askerNames: ['vm.internal'] });
  const stream = await openStream(other);
  const message = question({ name: 'vm.internal' });
  stream.write(Buffer.concat([Buffer.from([0, message.length]), message]));
  const reply = await new Promise<Buffer>((resolve) => stream.once('data', resolve));
  expect(reply.subarray(-4)).toEqual(Buffer.from([192, 168, 65, 3]));
});
