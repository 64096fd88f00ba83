import { readFileSync } from 'node:fs';
import { parentDeathPrefix } from '../../../../engine/hypervisors/qemu/parent-death';
import { startQemuProcess } from '../../../../engine/hypervisors/qemu/qemu-process';

/** Session of a process (proc(5), stat). */
function sessionOf(pid: number): number {
  const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ');
  return Number(fields.split(' ')[3]);
}

test.each([true, false])('a child hears the terminal unless it has a session of its own: %s', async (ownSession) => {
  if (process.platform !== 'linux' || (await parentDeathPrefix()).length === 0) {
    process.stderr.write('SKIPPED sessions of children: no setpriv that sets the parent-death signal\n');
    return;
  }
  const surroundings = { machineProgram: '/nowhere', ownSession };
  const child = await startQemuProcess('/bin/sleep', ['600'], { consoles: [], lent: [] }, surroundings);
  try {
    const { pid = 0 } = child;
    expect(sessionOf(pid) === pid).toBe(ownSession);
  } finally {
    child.kill();
    await child.ended;
  }
});
