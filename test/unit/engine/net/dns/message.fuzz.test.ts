import { once } from 'node:events';
import { decode, encode, type Answer as Packet } from 'dns-packet';
import fc from 'fast-check';
import { encodeReply, readAnswer } from '../../../../../engine/net/dns/answer';
import { FrameReader, frame } from '../../../../../engine/net/dns/frame-reader';
import { encodeRequest, type Query, readQuery } from '../../../../../engine/net/dns/query';
import { FLOW, openStream, question, startDns } from './dns-fixture';

const label = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'));
const ttl = fc.nat({ max: 0x7fffffff });
const text = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));

/** Records of several kinds, with names inside of their data. */
const record = fc.oneof(
  fc.record({ type: fc.constant('A' as const), name, ttl, data: fc.ipV4() }),
  fc.record({ type: fc.constant('CNAME' as const), name, ttl, data: name }),
  fc.record({ type: fc.constant('TXT' as const), name, ttl, data: fc.array(text, { minLength: 1, maxLength: 4 }) }),
  fc.record({
    type: fc.constant('SOA' as const),
    name,
    ttl,
    data: fc.record({ mname: name, rname: name, minimum: fc.nat({ max: 100_000 }) }),
  }),
) as fc.Arbitrary<Packet>;
const records = fc.array(record, { maxLength: 12 });

const response = fc.record({
  owner: name,
  rcode: fc.constantFrom(0, 3),
  answers: records,
  authorities: records,
  additionals: records,
});

function encodeResponse({
  owner,
  rcode,
  ...sections
}: typeof response extends fc.Arbitrary<infer T> ? T : never): Buffer {
  return encode({ type: 'response', id: 5, flags: rcode, questions: [{ name: owner, type: 'A' }], ...sections });
}

/** Valid messages with bytes changed, or any bytes at all. */
const damaged = fc.oneof(
  fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
  fc
    .record({
      message: response.map(encodeResponse),
      changes: fc.array(fc.tuple(fc.nat({ max: 300 }), fc.nat({ max: 255 })), { maxLength: 8 }),
      isQuery: fc.boolean(),
    })
    .map(({ message, changes, isQuery }) => {
      if (isQuery) message[2] = 1;
      for (const [at, byte] of changes) if (at < message.length) message[at] = byte;
      return message;
    }),
);

function queryFor(asked: Parameters<typeof question>[0]): Query {
  const reading = readQuery(question(asked));
  if (reading.kind !== 'query') throw new Error('no query');
  return reading.query;
}

it('carries an answer to the guest as it is, apart from what was agreed on', () => {
  fc.assert(
    fc.property(response, fc.boolean(), fc.nat({ max: 1000 }), (sample, withEdns, ageS) => {
      const { owner } = sample;
      const query = queryFor({ name: owner, ...(withEdns ? { udpPayloadSize: 4096 } : {}) });
      const message = encodeResponse(sample);
      const read = readAnswer(message, 5, query);
      expect(read).toBeDefined();
      if (!read) return;
      const reply = decode(encodeReply(query, read.answer, { maxBytes: 65_535, ageS }));
      const sent = decode(message);
      const age = (list: Packet[] = []) =>
        list.map((each) => ('ttl' in each ? { ...each, ttl: Math.max(0, (each.ttl ?? 0) - ageS) } : each));
      expect(reply.answers).toEqual(age(sent.answers));
      expect(reply.authorities).toEqual(age(sent.authorities));
      expect(reply.additionals?.filter(({ type }) => type !== 'OPT')).toEqual(age(sent.additionals));
      expect(reply.additionals?.filter(({ type }) => type === 'OPT')).toHaveLength(withEdns ? 1 : 0);
      expect(reply).toMatchObject({ id: 4711, questions: [{ name: owner }] });
    }),
  );
});

it('cuts at the border of a record and says so', () => {
  fc.assert(
    fc.property(response, fc.integer({ min: 512, max: 1500 }), (sample, maxBytes) => {
      const query = queryFor({ name: sample.owner, udpPayloadSize: maxBytes });
      const message = encodeResponse(sample);
      const read = readAnswer(message, 5, query);
      if (!read) return;
      const bytes = encodeReply(query, read.answer, { maxBytes });
      expect(bytes.length).toBeLessThanOrEqual(maxBytes);
      const cut = decode(bytes);
      expect(decode.bytes).toBe(bytes.length);
      const sent = decode(message);
      for (const section of ['answers', 'authorities'] as const) {
        expect(cut[section]).toEqual(sent[section]?.slice(0, cut[section]?.length));
      }
      const isComplete =
        cut.answers?.length === sample.answers.length && cut.authorities?.length === sample.authorities.length;
      expect(cut.flag_tc).toBe(!isComplete);
    }),
  );
});

it('reads what it encodes for a server as the same question', () => {
  fc.assert(
    fc.property(name, fc.nat({ max: 0xffff }), fc.boolean(), (owner, id, withEdns) => {
      const query = queryFor({ name: owner, udpPayloadSize: 2000 });
      const reading = readQuery(encodeRequest(query, id, withEdns));
      expect(reading).toMatchObject({ kind: 'query', query: { id, key: query.key, name: query.name } });
      expect(reading.kind === 'query' && reading.query.edns !== undefined).toBe(withEdns);
    }),
  );
});

it('keeps its head whatever a server sends', () => {
  fc.assert(
    fc.property(damaged, name, (bytes, owner) => {
      const query = queryFor({ name: owner, udpPayloadSize: 1000 });
      const id = bytes.length < 2 ? 0 : bytes.readUInt16BE(0);
      const own = readQuery(bytes);
      const read = readAnswer(bytes, id, own.kind === 'query' ? own.query : query);
      if (!read) return;
      expect(encodeReply(query, read.answer, { maxBytes: 512, ageS: 9 }).length).toBeLessThanOrEqual(512);
    }),
    { numRuns: 2000 },
  );
});

it('answers any bytes by UDP with one short message or none', () => {
  const { dns } = startDns({ names: new Map([['a', ['10.0.0.1']]]) });
  fc.assert(
    fc.property(damaged, (bytes) => {
      const replies: Uint8Array[] = [];
      dns.datagram(bytes, FLOW, (reply) => replies.push(reply));
      expect(replies.length).toBeLessThanOrEqual(1);
      for (const reply of replies) {
        expect(reply.length).toBeLessThanOrEqual(512);
        expect(Buffer.from(reply).readUInt16BE(0)).toBe(bytes.readUInt16BE(0));
        expect(() => decode(Buffer.from(reply))).not.toThrow();
      }
    }),
    { numRuns: 2000 },
  );
});

it('answers any bytes by TCP with one message for each at most, and lives on', async () => {
  const { dns } = startDns({ names: new Map([['a', ['10.0.0.1']]]) });
  await fc.assert(
    fc.asyncProperty(fc.array(damaged, { maxLength: 20 }), fc.uint8Array({ maxLength: 10 }), async (messages, rest) => {
      const client = await openStream(dns);
      client.end(Buffer.concat([...messages.map((message) => frame(message)), rest]));
      const reader = new FrameReader(65_535);
      client.on('data', (chunk) => reader.push(chunk));
      await once(client, 'end');
      let count = 0;
      for (let message = reader.next(); message; message = reader.next()) {
        count++;
        expect(message.length).toBeGreaterThanOrEqual(12);
      }
      expect(count).toBeLessThanOrEqual(messages.length + 5);
    }),
    { numRuns: 50 },
  );
  const client = await openStream(dns);
  client.write(frame(question({ name: 'a' })));
  const [chunk] = (await once(client, 'data')) as [Buffer];
  expect(decode(chunk.subarray(2)).answers).toHaveLength(1);
});
