import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { conform, GobEncoder } from '../../../driver/gob';
import { buildPeer, describeWith } from '../../support/peers';
import { SAMPLES, streamOf } from '../../unit/driver/gob/support/arbitraries';
import { fromPlain, type Plain, TypeFactory, type TypeText, toPlain } from '../../unit/driver/gob/support/plain';
import { bytes, decodeAll } from '../../unit/driver/gob/support/streams';
import { VECTOR_FOLDER, type Vector, vectorFile, vectors } from '../../unit/driver/gob/support/vectors';
import { Peer } from './peer';

const peer = buildPeer('gob');
const program = peer.available ? peer.path : '';

interface Stream {
  readonly types: readonly TypeText[];
  readonly values: readonly Plain[];
  readonly registry?: { readonly [name: string]: TypeText };
}

function encode({ types, values, registry: names }: Stream): string {
  const factory = new TypeFactory();
  const registry = factory.registry(names);
  const encoder = new GobEncoder({ registry });
  const messages = values.map((plain, index) => {
    const type = factory.build(types[index]!);
    return encoder.encode(fromPlain(plain, type, registry)!, type);
  });
  return Buffer.concat(messages).toString('hex');
}

function decode(hex: string, { types, registry: names }: Stream, chunkBytes: number): Plain[] {
  const factory = new TypeFactory();
  const registry = factory.registry(names);
  return decodeAll(bytes(hex), { chunkBytes }).map(({ value, type: wireType }, index) => {
    const type = factory.build(types[index]!);
    return toPlain(conform(value, wireType, type, registry), type);
  });
}

describeWith("with Go's encoding/gob", [peer.available ? undefined : peer.reason], () => {
  const peers: Peer[] = [];
  const start = (mode: 'echo' | 'verify'): Peer => {
    const started = new Peer(program, mode);
    peers.push(started);
    return started;
  };
  afterEach(async () => {
    await Promise.all(peers.splice(0).map((started) => started.close()));
  });

  it('what Go writes today is read like the committed vectors', () => {
    const lines = execFileSync(program, ['vectors'], { encoding: 'utf8' }).trim().split('\n');
    const fresh = lines.map((line) => JSON.parse(line) as Vector);
    if (process.env['UPDATE_VECTORS'] === '1') {
      mkdirSync(VECTOR_FOLDER, { recursive: true });
      for (const vector of fresh) {
        writeFileSync(path.join(VECTOR_FOLDER, vectorFile(vector)), `${JSON.stringify(vector, null, 1)}\n`);
      }
      return;
    }
    for (const vector of fresh) expect(decode(vector.hex, vector, 5)).toEqual(vector.values);
    const byName = (a: Vector, b: Vector) => (a.name < b.name ? -1 : 1);
    const content = ({ name, values }: Vector) => ({ name, values });
    expect([...vectors].sort(byName).map(content)).toEqual(fresh.sort(byName).map(content));
  });

  it('Go reads the vectors as we write them', async () => {
    const verify = start('verify');
    for (const vector of vectors) {
      const { types, values } = vector;
      expect([vector.name, await verify.ask({ types, values, hex: encode(vector) })]).toEqual([vector.name, {}]);
    }
  });

  it('any value of any type makes the round trip', async () => {
    const echo = start('echo');
    await fc.assert(
      fc.asyncProperty(streamOf, fc.integer({ min: 1, max: 300 }), async ({ types, values }, chunkBytes) => {
        const stream = { types, values, registry: SAMPLES };
        const hex = encode(stream);
        const answer = await echo.ask<{ values?: Plain[]; hex?: string; error?: string }>({ types, hex });
        expect(answer.error).toBeUndefined();
        expect(answer.values).toEqual(values);
        expect(decode(answer.hex!, stream, chunkBytes)).toEqual(values);
      }),
      { numRuns: 500 },
    );
  });
});
