import { readMachineStatus } from '../../../engine/machine/state';
import { formatEndpoint } from '../../../engine/net/endpoint-text';
import { requireRunning } from '../../host/running-machine';
import { formatColumns } from '../columns';
import { defineCommand } from '../command';
import { oneMachineName } from '../machine-names';

export const ports = defineCommand({
  usage: '[options] [machine]',
  describe: 'Lists the ports of this host that lead to a machine: its own, and those that its containers publish.',
  options: {},
  async run({ operands }, context) {
    const { output } = context;
    const machine = await requireRunning(context, oneMachineName('ports', operands), 'Cannot list the ports');
    const status = await readMachineStatus(machine.folder);
    const open = status.state === 'stopped' ? [] : status.ports;
    if (output.style.json) {
      output.json(open);
      return undefined;
    }
    const rows = open.map(({ protocol, address, hostPort, guestPort, container }) => [
      formatEndpoint({ address, port: hostPort }),
      `${guestPort}/${protocol}`,
      container ? 'container' : 'machine',
    ]);
    if (output.style.quiet) for (const [host = ''] of rows) output.print(host);
    else output.print(formatColumns([['HOST', 'GUEST', 'PUBLISHED BY'], ...rows]));
    return undefined;
  },
});
