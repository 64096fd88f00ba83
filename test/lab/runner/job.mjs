import { randomBytes } from 'node:crypto';

const quote = (word) => `'${word.replaceAll("'", `'\\''`)}'`;

/** Options of the 9P mounts: what is read-only may be cached for good; what comes back is written at once. */
const READ_ONLY = 'trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro';
const WRITABLE = 'trans=virtio,version=9p2000.L,msize=524288,cache=mmap';

/**
 * The shell script that a machine runs: one line of base64, as outer/init reads it. A restored machine believes it is the
 * day it was saved and would draw the same random numbers each time.
 */
export function encodeJob({ command, cwd, mounts, out }) {
  const lines = [
    'fail() { echo "lab: cannot show the job its files: $1" >&2; exit 125; }',
    `date -s @${Math.floor(Date.now() / 1000)} >/dev/null`,
    `echo ${randomBytes(32).toString('base64')} >/dev/urandom`,
  ];
  for (const slot of new Set(mounts.map((mount) => mount.slot))) {
    const folder = `/run/slot${slot}`;
    lines.push(`mkdir ${folder} && mount -t 9p -o ${READ_ONLY} slot${slot} ${folder} || fail slot${slot}`);
  }
  for (const { slot, at, file } of mounts) {
    const where = quote(at);
    lines.push(
      file === undefined
        ? `mkdir -p ${where} && mount --bind /run/slot${slot} ${where} || fail ${where}`
        : `mkdir -p "$(dirname ${where})" && touch ${where} && mount --bind /run/slot${slot}/${quote(file)} ${where} || fail ${where}`,
    );
  }
  if (out !== undefined) {
    lines.push(`mkdir -p ${quote(out)} && mount -t 9p -o ${WRITABLE} out ${quote(out)} || fail ${quote(out)}`);
  }
  lines.push(
    'export PATH="$PATH:/bench/bin"',
    `cd ${quote(cwd)} 2>/dev/null || cd /`,
    `exec ${command.map(quote).join(' ')}`,
  );
  return `${Buffer.from(`${lines.join('\n')}\n`).toString('base64')}\n`;
}
