import { copyTree, type Place } from '../../copy/copy-tree';
import type { FileSide } from '../../copy/file-side';
import { localFiles } from '../../copy/local-files';
import { parseLocation } from '../../copy/location';
import { openSftpFiles } from '../../copy/sftp-files';
import { DriverError } from '../../errors';
import { logIn, requireRunning } from '../../host/running-machine';
import type { SshConnection } from '../../ssh/ssh-connection';
import { defineCommand } from '../command';
import { CopyProgressLine } from '../copy-progress';
import { EXIT } from '../exit-status';

export const scp = defineCommand({
  usage: '[options] [machine:]source [machine:]target',
  describe: 'Copies a file or folder to, from or between machines, by SFTP.',
  options: {
    recursive: { alias: 'r', type: 'boolean', default: false, describe: 'folders with all that is in them' },
    preserve: {
      alias: 'p',
      type: 'boolean',
      default: false,
      describe: 'keep modes whatever the umask says, and times',
    },
  },
  async run({ operands, recursive, preserve }, context) {
    const [source, target, ...more] = operands;
    if (source === undefined || target === undefined || more.length > 0) {
      throw new DriverError('HK_USAGE', 'give two places: hyperkit scp ./file dev:/tmp, or the other way round');
    }
    const locations = [parseLocation(source), parseLocation(target)] as const;
    if (locations.every(({ machine }) => machine === undefined)) {
      throw new DriverError('HK_USAGE', `neither ${source} nor ${target} names a machine; write one as dev:/tmp`);
    }
    const connections: SshConnection[] = [];
    const sides = new Map<string, FileSide>();
    const sideOf = async (name: string | undefined): Promise<FileSide> => {
      if (name === undefined) return localFiles;
      const known = sides.get(name);
      if (known !== undefined) return known;
      const connection = await logIn(await requireRunning(context, name, 'Cannot copy files'), context);
      connections.push(connection);
      const side = await openSftpFiles(name, connection);
      sides.set(name, side);
      return side;
    };
    try {
      const from: Place = { side: await sideOf(locations[0].machine), path: locations[0].path };
      const to: Place = { side: await sideOf(locations[1].machine), path: locations[1].path };
      const onProgress = new CopyProgressLine(context.output);
      const skipped = await copyTree(from, to, { recursive, preserve, signal: context.signal, onProgress });
      return skipped === 0 ? EXIT.ok : EXIT.failed;
    } finally {
      for (const connection of connections) connection.close();
    }
  },
});
