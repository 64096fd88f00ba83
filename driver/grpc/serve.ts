import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import path from 'node:path';
import { GrpcHost } from '../../engine/grpc/host';
import { createHyperkitDriver } from '../hyperkit-driver';
import { DRIVER_FAULTS } from './driver-faults';
import { describeDriverService } from './driver-service';
import { openListener } from './listener';
import { MachineRecords } from './machine-records';
import { readServeOptions } from './serve-options';

/**
 * `docker-machine-driver-hyperkit serve`: the driver over gRPC until SIGTERM or Ctrl-C; a second one ends it at once.
 * Answers the exit status. Standard output gets one line, the address, once clients can connect.
 */
export async function serve(words: readonly string[]): Promise<number> {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    const options = await readServeOptions(words);
    if (typeof options === 'string') {
      process.stdout.write(options);
      return 0;
    }
    process.umask(0o077);
    const programsDir = path.dirname(realpathSync(process.argv[1] ?? process.execPath));
    const records = new MachineRecords(options.storePath);
    const createDriver = (logger: Parameters<typeof createHyperkitDriver>[0]['logger']) =>
      createHyperkitDriver({ logger, programsDir });
    const host = new GrpcHost({
      services: [describeDriverService({ records, log, createDriver })],
      faults: DRIVER_FAULTS,
      log,
    });
    const listener = await openListener(options.listen, (socket) => host.accept(socket), log);
    process.stdout.write(`${listener.address}\n`);
    await nextSignal();
    log(`ending: calls may go on for ${options.graceMs / 1000} s`);
    void nextSignal().then(() => process.exit(1));
    await host.close(options.graceMs);
    await listener.close();
    return 0;
  } catch (error) {
    log(`docker-machine-driver-hyperkit: ${(error as Error).message}`);
    return 1;
  }
}

async function nextSignal(): Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  await Promise.race(['SIGTERM', 'SIGINT', 'SIGHUP'].map((name) => once(process, name, { signal })));
  abort.abort();
}
