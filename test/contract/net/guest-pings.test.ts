// Pings of a guest that is Linux itself, over the kernel's ping sockets (icmp(7)); ping(8) is seldom there.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { whyNoNamespaces } from '../../support/namespace';
import { describeWith } from '../../support/peers';
import { GATEWAY, HOST, type VpnkitGuest, withVpnkitGuest } from './fixtures/vpnkit-guest';

jest.setTimeout(60_000);

const noTap = existsSync('/dev/net/tun') ? undefined : 'there is no /dev/net/tun here';
const PYTHON = ['python3', '-c'] as const;
const hasPython = spawnSync('python3', ['--version']).status === 0;
const noPython = hasPython ? undefined : 'there is no python3 here';

/** An address of this host that is not its loopback. */
const ownAddress = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

const ALLOWED = 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)';
const noPingSockets =
  hasPython && spawnSync(...([PYTHON[0], [PYTHON[1], ALLOWED]] as const)).status === 0
    ? undefined
    : 'this host allows no ping sockets (net.ipv4.ping_group_range)';

const PING = `
import os, socket, sys
with open('/proc/sys/net/ipv4/ping_group_range', 'w') as file: file.write('0 0')
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
s.settimeout(float(sys.argv[2]))
for length in (0, 56, 1472, 8000):
    data = bytes([8, 0, 0, 0, 0, 0, 0, 1]) + os.urandom(length)
    s.sendto(data, (sys.argv[1], 0))
    try:
        answer, peer = s.recvfrom(65536)
    except socket.timeout:
        print('silence')
        sys.exit()
    except OSError as error:
        print(error.strerror)
        sys.exit()
    assert answer[0] == 0 and answer[6:] == data[6:] and peer[0] == sys.argv[1], length
print('answered')
`;

const ping = async (guest: VpnkitGuest, address: string, seconds = 10): Promise<string> =>
  (await guest.ask(...PYTHON, PING, address, String(seconds))).trim();

describeWith('pings of a guest', [whyNoNamespaces(), noTap, noPython], () => {
  test('to the gateway and the host’s alias are answered, whatever their length', async () => {
    await withVpnkitGuest([], async (guest) => {
      expect(await ping(guest, GATEWAY)).toBe('answered');
      expect(await ping(guest, HOST)).toBe('answered');
    });
  });

  test('to addresses that nobody has are not (containers/gvisor-tap-vsock#428)', async () => {
    await withVpnkitGuest([], async (guest) => {
      expect(await ping(guest, '192.168.65.77', 1)).not.toBe('answered');
      expect(await ping(guest, '198.51.100.77', 1)).not.toBe('answered');
    });
  });
});

const noAddress = ownAddress === undefined ? 'this host has no address but its loopback' : undefined;

describeWith('pings of a guest to others', [whyNoNamespaces(), noTap, noPython, noPingSockets, noAddress], () => {
  test('are answered by who was asked', async () => {
    await withVpnkitGuest([], async (guest) => {
      expect(await ping(guest, ownAddress ?? '')).toBe('answered');
    });
  });
});
