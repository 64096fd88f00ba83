import { execFileSync } from 'node:child_process';
import { type GobType, type GobValue, gob } from '../../driver/gob';
import { buildPeer } from '../../test/support/peers';
import { compare, type Measurement, median } from './measurement';

/** One operation of a payload sends these, on a stream whose types have been defined. */
export type Payload = { readonly name: string; readonly items: readonly (readonly [GobValue, GobType])[] };

const response = gob.struct('Response', [
  ['ServiceMethod', gob.string],
  ['Seq', gob.uint],
  ['Error', gob.string],
]);
const record = gob.struct('Record', [
  ['Id', gob.int],
  ['Name', gob.string],
  ['Enabled', gob.bool],
  ['Score', gob.float],
  ['Tags', gob.slice(gob.string)],
  ['Size', gob.uint],
]);

/** The same as in test/peers/gob/bench.go. */
export const payloads: readonly Payload[] = [
  {
    name: 'reply',
    items: [
      [{ ServiceMethod: 'RPCServerDriver.GetConfigRaw', Seq: 42, Error: '' }, response],
      [Buffer.from('{"k":"v"}'.repeat(228)).subarray(0, 2048), gob.bytes],
    ],
  },
  {
    name: 'records',
    items: [
      [
        Array.from({ length: 100 }, (_, index) => ({
          Id: index * 1000,
          Name: `record-${index}`,
          Enabled: index % 2 === 0,
          Score: index * 0.25,
          Tags: ['alpha', `beta-${index % 10}`],
          Size: index * 2 ** 20,
        })),
        gob.slice(record),
      ],
    ],
  },
];

const ROUNDS = 5;
const OPERATIONS: Record<string, number> = { reply: 20_000, records: 1_000 };

/** Medians over rounds in which we and Go take turns; the figure is the geometric mean over the payloads. */
export function compareWithGo(
  name: string,
  mode: 'bench-encode' | 'bench-decode',
  prepare: (payload: Payload) => (count: number) => void,
): Measurement {
  const peer = buildPeer('gob');
  if (!peer.available) throw new Error(`cannot compare with Go: ${peer.reason}`);
  const parts: Record<string, { ours: number; go: number }> = {};
  for (const payload of payloads) {
    const count = OPERATIONS[payload.name]!;
    const run = prepare(payload);
    run(count);
    const ours: number[] = [];
    const go: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const started = process.hrtime.bigint();
      run(count);
      ours.push(Number(process.hrtime.bigint() - started) / count);
      go.push(Number(execFileSync(peer.path, [mode, payload.name, String(count)], { encoding: 'utf8' })));
    }
    parts[payload.name] = { ours: median(ours), go: median(go) };
  }
  const mean = (pick: 'ours' | 'go') => {
    const all = Object.values(parts);
    return Math.exp(all.reduce((sum, part) => sum + Math.log(part[pick]), 0) / all.length);
  };
  const [ours, go] = [mean('ours'), mean('go')];
  return compare({
    name,
    unit: 'ns/op',
    better: 'lower',
    ours,
    peers: { 'go encoding/gob': go },
    details: { nanosecondsPerOperation: parts },
  });
}
