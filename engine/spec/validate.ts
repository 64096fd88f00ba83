import os from 'node:os';
import path from 'node:path';
import * as v from 'valibot';
import { EngineError } from '../errors';
import type { VmSpec } from './vm-spec';

const MEBIBYTE = 1024 * 1024;
const MIN_MEMORY_MIB = 64;
/** Without an interrupt remapper a PC addresses 255 CPUs; an emulated one with a few times the host's is only slow. */
const MAX_VCPUS = Math.min(255, Math.max(16, 4 * os.cpus().length));
/** The kernel's own limit for x86 (COMMAND_LINE_SIZE in arch/x86/include/asm/setup.h), with its ending NUL. */
const MAX_COMMAND_LINE = 2047;
const MAX_PROFILE_BYTES = 4096;

const text = v.pipe(
  v.string('must be a text'),
  v.check((value) => !/[\0\n\r]/.test(value), 'must not contain line breaks or NUL'),
);
const name = v.pipe(
  text,
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be 1 to 128 letters, digits, dots, dashes or underscores'),
);
const file = v.pipe(
  text,
  v.check((value) => path.isAbsolute(value), 'must be an absolute path'),
);
const wholeNumber = v.pipe(v.number('must be a number'), v.integer('must be a whole number'));
const port = v.pipe(
  wholeNumber,
  v.check((value) => value >= 1 && value <= 65_535, 'must be between 1 and 65535'),
);

const vcpus = v.pipe(
  wholeNumber,
  v.check((value) => value >= 1 && value <= MAX_VCPUS, `must be between 1 and ${MAX_VCPUS} on this computer`),
);

const memoryMiB = v.pipe(
  wholeNumber,
  v.check((value) => value >= MIN_MEMORY_MIB, `must be at least ${MIN_MEMORY_MIB} MiB`),
  v.check(
    (value) => value * MEBIBYTE <= os.totalmem(),
    () => `is more than this computer's ${hostMemoryMiB()} MiB of memory`,
  ),
);

const forwards = v.pipe(
  v.array(v.strictObject({ hostPort: port, guestPort: port }), 'must be a list'),
  v.check(
    (list) => new Set(list.map(({ hostPort }) => hostPort)).size === list.length,
    'must not use a host port twice',
  ),
);

const network = v.strictObject({
  bindAddress: v.pipe(text, v.ipv4('must be an IPv4 address such as 127.64.0.1')),
  forwards,
  macAddress: v.pipe(
    text,
    v.regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'must be six lower-case octets such as 52:54:00:12:34:56'),
    v.check((value) => (Number.parseInt(value.slice(0, 2), 16) & 1) === 0, 'must not be a multicast address'),
  ),
  hostname: v.pipe(
    text,
    v.maxLength(255, 'must be at most 255 characters'),
    v.regex(
      /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/,
      'must be a host name of letters, digits, dashes and dots',
    ),
  ),
  vpnkitSocket: v.optional(file),
  hostPorts: v.optional(v.union([v.literal('all'), v.array(port)], 'must be a list of ports, or all')),
});

const warm = v.strictObject({
  image: file,
  authorizedKeys: v.pipe(text, v.maxBytes(2000, 'is too long')),
  docker: v.optional(
    v.strictObject({
      ca: file,
      certificate: file,
      key: file,
      profile: v.pipe(
        v.string('must be a text'),
        v.maxBytes(MAX_PROFILE_BYTES, `must be at most ${MAX_PROFILE_BYTES} bytes long`),
        v.check((value) => value !== '' && !value.includes('\0'), 'must have a content, without NUL'),
      ),
    }),
  ),
});

const schema = v.strictObject({
  name,
  stateDir: file,
  uuid: v.pipe(
    text,
    v.regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'must be a UUID in 36 lower-case characters'),
  ),
  vcpus,
  memoryMiB,
  boot: v.strictObject({
    kernel: file,
    initrd: file,
    commandLine: v.pipe(text, v.maxBytes(MAX_COMMAND_LINE, `must be at most ${MAX_COMMAND_LINE} bytes long`)),
  }),
  disks: v.array(v.strictObject({ path: file, readOnly: v.boolean('must be true or false') }), 'must be a list'),
  cdroms: v.pipe(v.array(file, 'must be a list'), v.maxLength(4, 'must be at most 4 drives')),
  network,
  hypervisor: v.picklist(['auto', 'native', 'qemu'], 'must be auto, native or qemu'),
  warm: v.optional(warm),
  resume: v.optional(v.literal(true, 'must be true or missing')),
  accelerator: v.picklist(['auto', 'kvm', 'hvf', 'tcg'], 'must be auto, kvm, hvf or tcg'),
});

/**
 * Checks a machine's specification; after this nobody has to.
 * @throws EngineError HK_SPEC_INVALID that names the first bad field, its value, and what it must be.
 */
export function parseVmSpec(input: unknown): VmSpec {
  const result = v.safeParse(schema, input, { abortPipeEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const field = v.getDotPath(issue) ?? 'the specification';
  const isUnknown = issue.type === 'strict_object' && issue.expected === 'never';
  const isMissing = issue.type === 'strict_object' && issue.received === 'undefined';
  const complaint = isUnknown ? 'is not a field of a machine' : isMissing ? 'is missing' : complaintOf(issue);
  const shown = isUnknown || isMissing ? '' : ` ${showValue(issue.input)}`;
  throw new EngineError('HK_SPEC_INVALID', `cannot use this machine specification: ${field}${shown} ${complaint}`, {
    cause: new v.ValiError(result.issues),
  });
}

function complaintOf(issue: v.BaseIssue<unknown>): string {
  return issue.type === 'strict_object' ? 'must be an object' : issue.message;
}

/** Short enough for one line, whatever it is. */
function showValue(value: unknown): string {
  const shown =
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}n` : inner)) ?? typeof value;
  return shown.length > 120 ? `${shown.slice(0, 117)}...` : shown;
}

function hostMemoryMiB(): number {
  return Math.floor(os.totalmem() / MEBIBYTE);
}
