import { readFileSync } from 'node:fs';
import path from 'node:path';
import { status } from '@grpc/grpc-js';
import { DriverError } from '../../../../driver/errors';
import { DRIVER_FAULTS } from '../../../../driver/grpc/driver-faults';
import { EngineError } from '../../../../engine/errors';
import { readErrorInfo, toStatus } from '../../../../engine/grpc/service-error';
import { PROJECT } from '../../../support/peers';

const doc = (name: string): string => readFileSync(path.join(PROJECT, 'docs', name), 'utf8');

test('docs/grpc.md tells the status of every code', () => {
  const told: Record<string, string> = {};
  for (const [, name = '', codes = ''] of doc('grpc.md').matchAll(/^\| ([A-Z_]+) +\| (.*) \|$/gm)) {
    for (const [, code = ''] of codes.matchAll(/`(HK_\w+)`/g)) told[code] = name;
  }
  const real = Object.fromEntries(Object.entries(DRIVER_FAULTS).map(([code, fault]) => [code, status[fault.status]]));
  expect(told).toEqual(real);
});

test('docs/errors.md explains every code, and every code has a mend', () => {
  const errors = doc('errors.md');
  const missing = Object.keys(DRIVER_FAULTS).filter((code) => !errors.includes(`\`${code}\``));
  expect(missing).toEqual([]);
  expect(Object.values(DRIVER_FAULTS).every(({ mend }) => mend !== '')).toBe(true);
});

test.each([
  [new DriverError('HK_MACHINE_BUSY', 'busy'), status.ABORTED, 'HK_MACHINE_BUSY'],
  [new EngineError('HK_FORWARD_FAILED', 'taken'), status.UNAVAILABLE, 'HK_FORWARD_FAILED'],
  [Object.assign(new Error('no'), { code: 'ENOENT' }), status.INTERNAL, 'HK_UNEXPECTED'],
  [Object.assign(new Error('no'), { code: 'toString' }), status.INTERNAL, 'HK_UNEXPECTED'],
  [new TypeError('x is undefined'), status.INTERNAL, 'HK_UNEXPECTED'],
  ['words', status.INTERNAL, 'HK_UNEXPECTED'],
  [undefined, status.INTERNAL, 'HK_UNEXPECTED'],
])('%p', (error, expected, reason) => {
  const found = toStatus(error, DRIVER_FAULTS);
  expect(found.code).toBe(expected);
  expect(readErrorInfo({ ...found, name: 'Error', message: found.details })).toMatchObject({ reason });
});

test('details that are not ours are no trouble', () => {
  const { metadata } = toStatus(new Error('x'), DRIVER_FAULTS);
  metadata.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]));
  expect(readErrorInfo({ code: 2, details: '', metadata, name: 'Error', message: '' })).toBeUndefined();
});
