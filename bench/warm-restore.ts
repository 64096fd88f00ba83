import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { createLikeClient, drive } from '../test/support/drivers';
import { compare, type Measurement, median } from './support/measurement';
import { COLD_ROUNDS, type Mode, makeImage, openStore, round2, WARM_ROUNDS } from './support/warm-runs';

const DEADLINE_MS = 300_000;
const FLAGS = { 'cpu-count': 2, 'memory-size': 1024 } as const;

/**
 * From the driver's word that a machine's guest is about to run until its Docker port answers TLS, unprovisioned: restored
 * against booted. The driver's Create alone is in the details.
 */
export async function measure(): Promise<Measurement> {
  await makeImage();
  const runs: Record<Mode, { readonly tls: number; readonly create: number }[]> = { require: [], never: [] };
  for (let round = 0; round < WARM_ROUNDS; round++) {
    runs.require.push(await start('require'));
    if (round < COLD_ROUNDS) runs.never.push(await start('never'));
  }
  return compare({
    name: 'warm-restore',
    unit: 's',
    better: 'lower',
    ours: median(runs.require.map(({ tls }) => tls)),
    peers: { boot: median(runs.never.map(({ tls }) => tls)) },
    details: { seconds: { warm: runs.require, cold: runs.never } },
  });
}

async function start(mode: Mode): Promise<{ readonly tls: number; readonly create: number }> {
  const store = openStore(mode);
  const word = mode === 'never' ? 'Booting the virtual machine' : 'Restoring the virtual machine';
  try {
    return await drive(store, 'bench', { flags: { ...FLAGS, warm: mode } }, async (driven) => {
      const began = performance.now();
      const created = createLikeClient(store, driven).then(() => performance.now());
      created.catch(() => undefined);
      let from: number | undefined;
      const watch = async (): Promise<number> => {
        const end = Date.now() + DEADLINE_MS;
        while (Date.now() < end) {
          if (from === undefined && driven.shown.some((line) => line.includes(word))) from = performance.now();
          if (from !== undefined && (await answersTls(store.address('bench')))) return performance.now() - from;
          await sleep(10);
        }
        throw new Error(`no TLS within ${DEADLINE_MS} ms`);
      };
      const [tlsMs, end] = await Promise.all([watch(), created]);
      return { tls: round2(tlsMs / 1000), create: round2((end - began) / 1000) };
    });
  } finally {
    await store.dispose();
  }
}

/** The server's certificate has come; that it takes no client yet is its own business. */
function answersTls(host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port: 2376, rejectUnauthorized: false, timeout: 2000 });
    const settle = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('secureConnect', () => settle(true));
    for (const event of ['error', 'timeout', 'close'] as const) socket.once(event, () => settle(false));
  });
}
