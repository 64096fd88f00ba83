import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { endianness } from 'node:os';
import {
  allowedUids,
  type Connection,
  findPeerUid,
  identifyPeer,
  type PeerTables,
  shareReads,
} from '../../../../driver/plugin/peer-check';

const HEADING =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     \n';
const row = (n: number, local: string, remote: string, state: string, uid: number, inode: number) =>
  `${String(n).padStart(4)}: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000 ${String(uid).padStart(5)}        0 ${inode} 1 00000000e6159261 100 0 0 10 0                      \n`;

// The server listens on port 0x9705; the client of the connection under test has port 0xBB72.
const connection: Connection = {
  localAddress: '127.0.0.1',
  localPort: 0x9705,
  remoteAddress: '127.0.0.1',
  remotePort: 0xbb72,
};
const OUR_END = row(1, '0100007F:9705', '0100007F:BB72', '01', 0, 77);
const PEER_END = row(2, '0100007F:BB72', '0100007F:9705', '01', 1000, 78);

const onLittleEndian = endianness() === 'LE' ? describe : describe.skip;

onLittleEndian('findPeerUid', () => {
  test('takes the row whose ends are ours swapped', () => {
    expect(findPeerUid(HEADING + OUR_END + PEER_END, connection)).toBe(1000);
    expect(findPeerUid(HEADING + OUR_END, connection)).toBeUndefined();
    expect(findPeerUid(HEADING, connection)).toBeUndefined();
    expect(findPeerUid('', connection)).toBeUndefined();
  });

  test('distinguishes addresses and ports', () => {
    const others =
      row(1, '0200007F:BB72', '0100007F:9705', '01', 1, 5) +
      row(2, '0100007F:BB73', '0100007F:9705', '01', 2, 6) +
      row(3, '0100007F:BB72', '0100007F:9706', '01', 3, 7);
    expect(findPeerUid(HEADING + others, connection)).toBeUndefined();
    expect(findPeerUid(HEADING + others + PEER_END, connection)).toBe(1000);
  });

  test.each([
    ['a closed socket that lingers (shown as root)', '04', 0, 0],
    ['a socket in TIME_WAIT', '06', 0, 0],
    ['an established socket without owner', '01', 0, 0],
    ['a half-closed socket', '05', 0, 78],
  ])('does not believe %s', (_, state, uid, inode) => {
    const table = HEADING + row(2, '0100007F:BB72', '0100007F:9705', state, uid, inode);
    expect(findPeerUid(table, connection)).toBeUndefined();
  });

  test('reads IPv4 addresses in the IPv6 table', () => {
    const word = '0000000000000000FFFF0000';
    const table = HEADING + row(0, `${word}0100007F:BB72`, `${word}0100007F:9705`, '01', 1001, 9);
    expect(findPeerUid(table, connection)).toBe(1001);
    expect(
      findPeerUid(table, { ...connection, localAddress: '::ffff:127.0.0.1', remoteAddress: '::ffff:127.0.0.1' }),
    ).toBe(1001);
  });

  test('knows nothing about other address families', () => {
    expect(
      findPeerUid(HEADING + PEER_END, { ...connection, localAddress: '::1', remoteAddress: '::1' }),
    ).toBeUndefined();
  });
});

onLittleEndian('identifyPeer', () => {
  /** Tables whose content changes from one reading of /proc/net/tcp to the next. */
  const changing = (...contents: string[]): PeerTables & { readonly readings: number } => {
    let readings = 0;
    return {
      get readings() {
        return readings;
      },
      read: async (name) => (name === 'tcp6' ? HEADING : contents[Math.min(readings++, contents.length - 1)]),
    };
  };

  test('asks once when the answer is there', async () => {
    const tables = changing(HEADING + PEER_END);
    expect(await identifyPeer(connection, tables)).toEqual({ kind: 'uid', uid: 1000 });
    expect(tables.readings).toBe(1);
  });

  test('waits a little for a row that is late', async () => {
    expect(await identifyPeer(connection, changing(HEADING, HEADING, HEADING + PEER_END))).toEqual({
      kind: 'uid',
      uid: 1000,
    });
  });

  test('gives up when no row comes', async () => {
    expect(await identifyPeer(connection, changing(HEADING))).toEqual({ kind: 'unlisted' });
  });

  test('believes in root only if root is still there at a second look', async () => {
    const root = HEADING + row(2, '0100007F:BB72', '0100007F:9705', '01', 0, 78);
    expect(await identifyPeer(connection, changing(root))).toEqual({ kind: 'uid', uid: 0 });
    expect(await identifyPeer(connection, changing(root, HEADING))).toEqual({ kind: 'unlisted' });
  });

  test('a system without the tables knows nobody', async () => {
    expect(await identifyPeer(connection, { read: async () => undefined })).toEqual({ kind: 'unknown' });
  });

  test('a table that cannot be read is an error, not a welcome', async () => {
    const read = () => Promise.reject(new Error('EMFILE'));
    await expect(identifyPeer(connection, { read })).rejects.toThrow('EMFILE');
  });
});

describe('shareReads', () => {
  test('serves all who ask during a read with the next one', async () => {
    let reads = 0;
    const read = shareReads(async () => {
      reads += 1;
      const mine = reads;
      await new Promise((resolve) => setTimeout(resolve, 5));
      return mine;
    });
    const [first, ...others] = await Promise.all(Array.from({ length: 100 }, () => read('tcp')));
    expect(first).toBe(1);
    expect(new Set(others)).toEqual(new Set([2]));
    expect(await read('tcp')).toBe(3);
    expect(new Set(await Promise.all([read('tcp'), read('tcp6')]))).toEqual(new Set([4, 5]));
  });

  test('a failure is passed on, and the next read is a new one', async () => {
    let reads = 0;
    const read = shareReads(() => (++reads < 3 ? Promise.reject(new Error(`no ${reads}`)) : Promise.resolve(reads)));
    const results = await Promise.allSettled([read('tcp'), read('tcp'), read('tcp')]);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await read('tcp')).toBe(3);
  });
});

const onLinux = process.platform === 'linux' ? describe : describe.skip;

onLinux('the real tables', () => {
  async function identify(spawnOptions: { uid?: number }): Promise<unknown> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const code = `require('net').connect(${port}, '127.0.0.1').on('error', () => {})`;
    const child = spawn(process.execPath, ['-e', code], { stdio: 'ignore', cwd: '/', ...spawnOptions });
    try {
      const [socket] = (await once(server, 'connection')) as [Socket];
      return await identifyPeer({
        localAddress: socket.localAddress ?? '',
        localPort: socket.localPort ?? 0,
        remoteAddress: socket.remoteAddress ?? '',
        remotePort: socket.remotePort ?? 0,
      });
    } finally {
      child.kill();
      server.close();
    }
  }

  test('name the user of a child process', async () => {
    expect(await identify({})).toEqual({ kind: 'uid', uid: process.getuid?.() });
  });

  const asRoot = process.getuid?.() === 0 ? test : test.skip;
  asRoot('name another user (needs root)', async () => {
    expect(await identify({ uid: 65534 })).toEqual({ kind: 'uid', uid: 65534 });
  });

  test('a parent process counts among those who may connect', async () => {
    const uids = await allowedUids(process.ppid);
    expect(uids).toContain(process.getuid?.());
    expect(uids).toContain(0);
    expect(uids).not.toContain(65534);
    expect([...uids].every(Number.isInteger)).toBe(true);
  });

  test('a parent that is gone is no obstacle', async () => {
    expect(await allowedUids(4_194_305)).toEqual(new Set([0, process.getuid?.()]));
  });
});
