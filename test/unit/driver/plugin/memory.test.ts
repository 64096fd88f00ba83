import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { launchPlugin } from '../../../../driver/client';

const PLUGIN = path.join(__dirname, '../../../../dist/docker-machine-driver-hyperkit.cjs');
const LIMIT_MB = 70;

(existsSync('/proc/self/status') ? test : test.skip)(`a plugin stays below ${LIMIT_MB} MB resident`, async () => {
  const plugin = await launchPlugin(PLUGIN);
  try {
    const config = { MachineName: 'm', StorePath: '/nonexistent', IPAddress: '127.64.0.1' };
    await plugin.driver.setConfigRaw(Buffer.from(JSON.stringify(config)));
    for (let round = 0; round < 75; round++) {
      await plugin.driver.getMachineName();
      await plugin.driver.getState();
      await plugin.driver.getSSHPort();
    }
    const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${plugin.pid}/status`, 'utf8')) ?? [];
    expect(Number(kilobytes) / 1024).toBeLessThan(LIMIT_MB);
  } finally {
    await plugin.close();
  }
});
