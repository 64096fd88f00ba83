import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readEnd } from '../console/tail';
import { EngineError } from '../errors';
import { parseJsonObject } from '../json-object';
import { findClaimant } from '../machine/claim';
import { endProcesses, sendSignal } from '../machine/leftovers';
import { isSameProcess } from '../machine/process-identity';
import { formatIpv4 } from '../net/addressing/ipv4';
import { readBook } from '../net/addressing/saved-book';
import { readSmallFile } from '../storage/small-file';
import { sharedNetworkFiles } from './shared-network-files';

const START_MS = 30_000;
const LOOK_EVERY_MS = 50;
const END_MS = 5_000;
const CONNECT_MS = 1_000;
const LAST_WORDS = 500;
const MAX_BOOK_BYTES = 4 * 1024 * 1024;
const MAX_GUESTS = 4096;

/**
 * Sees to it that the network of a folder is there: one that answers is left alone, else its process is started, detached.
 * Of several that start it at once one wins, and all return when it answers.
 * @param program dist/hyperkit-network.cjs
 * @throws EngineError HK_NET_UNAVAILABLE with its last words
 */
export async function startSharedNetwork(folder: string, program: string, signal?: AbortSignal): Promise<void> {
  const { socket, log } = sharedNetworkFiles(folder);
  const deadline = Date.now() + START_MS;
  let child: ChildProcess | undefined;
  while (!(await answers(socket))) {
    signal?.throwIfAborted();
    if (child !== undefined && (child.exitCode ?? 0) !== 0) throw failed(folder, await lastWords(log));
    if (Date.now() > deadline) throw failed(folder, `it does not answer within ${START_MS / 1000} s`);
    const isStarting = child !== undefined && child.exitCode === null && child.signalCode === null;
    if (!isStarting && (await findClaimant(folder)) === undefined) child = spawnNetwork(folder, program, log);
    await sleep(LOOK_EVERY_MS);
  }
}

/** Whether somebody listens there. */
export async function sharedNetworkAnswers(folder: string): Promise<boolean> {
  return await answers(sharedNetworkFiles(folder).socket);
}

/** Ends a network's process, if there is one, and waits until it is gone. @throws EngineError HK_MACHINE_FAILED when it does not go */
export async function stopSharedNetwork(folder: string): Promise<void> {
  const found = await findClaimant(folder);
  if (found === undefined) return;
  sendSignal(found.pid, 'SIGTERM');
  const deadline = Date.now() + END_MS;
  while ((await isSameProcess(found)) && Date.now() < deadline) await sleep(LOOK_EVERY_MS);
  await endProcesses([found]);
}

/** The IPv4 address of a machine in a network, by its UUID; undefined when it was never there. */
export function findSharedAddress(folder: string, uuid: string): string | undefined {
  const reading = readSmallFile(sharedNetworkFiles(folder).addresses, MAX_BOOK_BYTES);
  const book = readBook('text' in reading ? parseJsonObject(reading.text) : undefined, MAX_GUESTS);
  const found =
    typeof book === 'string' ? undefined : book.clients.find((client) => client.uuid === uuid.toLowerCase());
  return found && formatIpv4(found.ip);
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = createConnection(socket);
    const done = (answer: boolean): void => {
      connection.destroy();
      resolve(answer);
    };
    connection.setTimeout(CONNECT_MS, () => done(false));
    connection.once('connect', () => done(true));
    connection.once('error', () => done(false));
  });
}

function spawnNetwork(folder: string, program: string, log: string): ChildProcess {
  const fd = openSync(log, 'a', 0o600);
  try {
    // Options meant for this Node are not meant for that one.
    const { NODE_OPTIONS: _dropped, NODE_CHANNEL_FD: _channel, ...env } = process.env;
    const child = spawn(process.execPath, [path.resolve(program), folder], {
      detached: true,
      cwd: '/',
      env,
      stdio: ['ignore', fd, fd],
    });
    // One that can't be started never answers.
    child.once('error', () => undefined);
    child.unref();
    return child;
  } finally {
    closeSync(fd);
  }
}

async function lastWords(log: string): Promise<string> {
  const text = (await readEnd(log)).toString().trim();
  return text.slice(-LAST_WORDS);
}

function failed(folder: string, why: string): EngineError {
  return new EngineError('HK_NET_UNAVAILABLE', `cannot start the network of ${folder}: ${why}`);
}
