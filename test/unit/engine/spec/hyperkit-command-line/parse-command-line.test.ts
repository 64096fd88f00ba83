import fc from 'fast-check';
import type { BoardSpec } from '../../../../../engine/spec/board-spec';
import {
  type HyperkitSettings,
  parseHyperkitCommandLine,
} from '../../../../../engine/spec/hyperkit-command-line/parse-command-line';

const FIRMWARE = ['-f', 'kexec,vmlinuz'];

function parse(...words: string[]) {
  return parseHyperkitCommandLine(words, 'hyperkit');
}

function settings(...words: string[]): HyperkitSettings {
  const command = parse(...words);
  if (command.kind !== 'run') throw new Error(JSON.stringify(command));
  return command.settings;
}

function board(...words: string[]): BoardSpec {
  return settings(...words, ...FIRMWARE).board;
}

/** What is printed, without the usage text that follows a complaint. */
function refusal(...words: string[]): readonly [string, number] {
  const command = parse(...words);
  if (command.kind !== 'print') throw new Error(`taken: ${JSON.stringify(command)}`);
  return [command.text.split('\n')[0] ?? '', command.status];
}

describe('command lines of HyperKit’s users', () => {
  const COMMON = ['-A', '-u', '-F', 'state-dir/hyperkit.pid', '-c', '1', '-m', '1024M', '-s', '0:0,hostbridge'];

  test.each([
    ['com1,autopty=state-dir/tty,log=state-dir/console-ring', { kind: 'autopty', linkPath: 'state-dir/tty' }],
    ['com1,autopty=state-dir/tty1,log=state-dir/console-ring', { kind: 'autopty', linkPath: 'state-dir/tty1' }],
    ['com1,null,log=state-dir/console-ring', undefined],
  ])('its Go binding, with %s', (serial, terminal) => {
    const rest = ['-s', '31,lpc', '-s', '1,virtio-rnd', '-l', serial, '-f', 'kexec,k,i,earlyprintk=serial '];
    expect(settings(...COMMON, ...rest)).toEqual({
      pidFile: 'state-dir/hyperkit.pid',
      printMac: false,
      board: {
        vcpus: 1,
        memoryBytes: 1024 ** 3,
        uuid: undefined,
        firmware: { kind: 'kexec', kernel: 'k', initrd: 'i', commandLine: 'earlyprintk=serial ' },
        slots: [
          { slot: 0, func: 0, device: { kind: 'hostbridge', vendor: 'hyperkit' } },
          { slot: 1, func: 0, device: { kind: 'virtio-rnd' } },
          { slot: 31, func: 0, device: { kind: 'lpc' } },
        ],
        com1: { terminal, ringPath: 'state-dir/console-ring', systemLog: false },
        com2: undefined,
        acpi: true,
        mpTable: true,
        rtc: 'utc',
        strictIo: false,
        x2apic: false,
        ignoreUnknownMsrs: false,
        virtioInterrupts: 'msi-x',
        debugConsole: false,
        debugPort: undefined,
      },
    });
  });

  test('its Go binding’s devices, in its slots', () => {
    const { slots } = board(
      ...['-s', '1:0,virtio-vpnkit,path=/v.sock,uuid=d1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5,preferred_ipv4=192.168.65.9'],
      ...['-s', '2:0,virtio-net', '-s', '3:0,virtio-blk,/d.img,format=raw'],
      ...['-s', '4:0,virtio-blk,file:///q.img?sync=os&buffered=1,format=qcow,qcow-config=discard=true;keep_erased=2'],
      ...['-s', '5,virtio-sock,guest_cid=3,path=/s,guest_forwards=2376;0x10', '-s', '6,ahci-cd,/a.iso'],
      ...['-s', '7,virtio-9p,path=/9.sock,tag=db0'],
    );
    expect(slots.map(({ device }) => device)).toMatchObject([
      {
        network: {
          kind: 'vpnkit',
          path: '/v.sock',
          uuid: 'd1d9cd61-d0dc-4715-9bb3-4c11da7ad7a5',
          preferredIpv4: '192.168.65.9',
        },
      },
      { network: { kind: 'gateway', mac: undefined, forwards: [] } },
      { block: { path: '/d.img', format: 'raw', readOnly: false } },
      { block: { path: '/q.img', format: 'qcow2' } },
      { kind: 'virtio-sock', guestCid: 3, path: '/s', guestForwards: [2376, 16] },
      { kind: 'ahci-cd', block: { path: '/a.iso', readOnly: true } },
      { kind: 'virtio-9p', tag: 'db0', server: { path: '/9.sock' } },
    ]);
  });

  test('its own expect test', () => {
    const words = [
      '-A',
      '-m',
      '512M',
      '-s',
      '0:0,hostbridge',
      '-s',
      '31,lpc',
      '-l',
      'com1,stdio',
      '-s',
      '1:0,ahci-hd,d',
    ];
    const { firmware, com1 } = settings(...words, '-f', 'kexec,v,i,earlyprintk=serial console=ttyS0 a,b').board;
    expect(firmware).toMatchObject({ commandLine: 'earlyprintk=serial console=ttyS0 a,b' });
    expect(com1?.terminal).toEqual({ kind: 'stdio' });
  });

  test('CodeReady Containers’: bundled flags and attached arguments', () => {
    const { acpi, rtc, vcpus, memoryBytes } = board('-Auc4', '-m8G', '-YH');
    expect({ acpi, rtc, vcpus, memoryBytes }).toEqual({ acpi: true, rtc: 'utc', vcpus: 4, memoryBytes: 8 * 1024 ** 3 });
  });
});

describe('options', () => {
  test.each([
    ['1', 1024 ** 2],
    ['512', 512 * 1024 ** 2],
    ['0x200', 512 * 1024 ** 2],
    ['010', 8 * 1024 ** 2],
    ['1048576', 1024 ** 2],
    ['4096k', 4 * 1024 ** 2],
    ['2g', 2 * 1024 ** 3],
    ['512MB', 512 * 1024 ** 2],
    ['512MiB', 512 * 1024 ** 2],
    ['1T', 1024 ** 4],
  ])('-m %s', (text, bytes) => {
    expect(board('-m', text).memoryBytes).toBe(bytes);
  });

  test.each(['', 'x', '-1', '1q', '0', '9e', '99999999999999999999', '1 M', '08'])('-m %j is refused', (text) => {
    expect(refusal('-m', text, ...FIRMWARE)).toEqual([`hyperkit: invalid memsize '${text}'`, 64]);
  });

  test('words after the options, or after --, are not looked at', () => {
    expect(settings(...FIRMWARE, 'word', '-Z')).toBeDefined();
    expect(settings(...FIRMWARE, '--', '-Z')).toBeDefined();
  });

  test('-Y takes the next word with it, unless that is an option', () => {
    expect(board('-Y', 'x', '-A')).toMatchObject({ mpTable: false, acpi: true });
    expect(board('-Y', '-A')).toMatchObject({ mpTable: false, acpi: true });
  });

  test('what each flag sets', () => {
    expect(board('-ebwWx', '-g', '1234', '-U', '0B6D0F0A-8D1C-4A53-9A1E-0123456789AB')).toMatchObject({
      strictIo: true,
      debugConsole: true,
      ignoreUnknownMsrs: true,
      virtioInterrupts: 'msi',
      x2apic: true,
      debugPort: 1234,
      uuid: '0b6d0f0a-8d1c-4a53-9a1e-0123456789ab',
      rtc: 'local',
    });
  });

  test('-h and -v are obeyed before a mistake that comes later', () => {
    expect(parse('-A', '-v', '-Z')).toEqual({ kind: 'version' });
    expect(refusal('-Ah', '-Z')).toEqual([expect.stringMatching(/^Usage: hyperkit /), 0]);
  });

  test.each([
    [['-Z'], 'hyperkit: illegal option -- Z', 1],
    [['-p', '0:1'], 'hyperkit: illegal option -- p', 1],
    [['-c'], 'hyperkit: option requires an argument -- c', 1],
    [['-A'], expect.stringMatching(/^Usage: /), 1],
    [[...FIRMWARE, '-c', '0'], 'Invalid guest vCPUs (0)', 1],
    [[...FIRMWARE, '-c', 'many'], 'Invalid guest vCPUs (0)', 1],
    [[...FIRMWARE, '-c', '65'], '65 vCPUs requested but only 64 available', 1],
    [[...FIRMWARE, '-U', 'x'], 'Invalid UUID "x": it must be 36 characters', 1],
    [['-f', 'kexec'], 'Invalid firmware argument', 1],
    [['-f', 'kexec,,,earlyprintk=serial '], 'Invalid firmware argument', 1],
    [['-f', 'linux,x'], 'Invalid firmware argument', 1],
  ])('%j', (words, text, status) => {
    expect(refusal(...words)).toEqual([text, status]);
  });
});

describe('-s', () => {
  test('every form of a place', () => {
    const places = board('-s', '3,dummy', '-s', '4:1,dummy', '-s', '0:5:2,dummy').slots;
    expect(places.map(({ slot, func }) => [slot, func])).toEqual([
      [3, 0],
      [4, 1],
      [5, 2],
    ]);
  });

  test.each(['', '1', 'x,dummy', '32,dummy', '1:8,dummy', '256:1:0,dummy', '1:2:3:4,dummy', '-1,dummy', '1x,dummy'])(
    '%j is no place',
    (text) => {
      expect(refusal('-s', text, ...FIRMWARE)).toEqual([`Invalid PCI slot info field "${text}"`, 1]);
    },
  );

  test.each([
    [['1,nothing'], 'pci slot 1:0: unknown device "nothing"'],
    [['1,constructor'], 'pci slot 1:0: unknown device "constructor"'],
    [['1,dummy', '1:0,dummy'], 'pci slot 1:0 already occupied!'],
    [['1,lpc', '2,lpc'], 'Only one LPC bridge is allowed.'],
    [['1:2:3,dummy'], 'unsupported PCI bus 1: all devices must be on bus 0'],
    [['1,virtio-blk'], 'Could not open backing file: no path is given'],
    [['1,virtio-blk,d,nocache'], 'xhyve: nocache support unimplemented'],
    [['1,virtio-blk,d,fast'], 'Invalid device option "fast"'],
    [['1,virtio-blk,d,sectorsize=x'], 'Invalid device option "sectorsize=x"'],
    [['1,virtio-blk,d,sectorsize=1000'], 'Invalid sector size 1000/1000'],
    [['1,virtio-blk,d,sectorsize=4096/512'], 'Invalid sector size 4096/512'],
    [['1,virtio-net,n,mac=01:00:00:00:00:01'], 'Invalid MAC address: 01:00:00:00:00:01'],
    [['1,virtio-net,n,mac=0:0:0:0:0:0'], 'Invalid MAC address: 0:0:0:0:0:0'],
    [['1,virtio-net,n,forward=1'], expect.stringMatching(/^invalid option: forward=1 /)],
    [['1,virtio-tap,tap0,mac=x'], 'Invalid MAC x'],
    [['1,virtio-vpnkit,uuid=short'], 'uuids need to be 36 characters long'],
    [['1,virtio-vpnkit,preferred_ipv4=1.2.3'], 'Unable to parse requested IP 1.2.3'],
    [['1,virtio-vpnkit,mtu=9'], 'invalid option: mtu=9'],
    [['1,virtio-9p'], expect.stringMatching(/^Please pass \*either\*/)],
    [['1,virtio-9p,path=/a,port=1'], expect.stringMatching(/^Please pass \*either\*/)],
    [['1,virtio-9p,port=0'], 'bad port: port=0'],
    [['1,virtio-sock'], 'virtio-sock: configuration required'],
    [['1,virtio-sock,path=/a'], 'guest_cid and path options are both required.'],
    [['1,virtio-sock,guest_cid=x,path=/a'], 'bad guest cid: guest_cid=x'],
    [['1,virtio-sock,guest_cid=2,path=/a'], 'invalid guest_cid 00000002'],
    [[`1,virtio-sock,guest_cid=3,path=/${'a'.repeat(90)}`], 'virtio-sock: path too long'],
    [['1,virtio-sock,guest_cid=3,path=/a,guest_forwards=1;2;3;4;5'], 'Too many forwards'],
    [['1,virtio-sock,guest_cid=3,path=/a,guest_forwards=1;x'], 'failed to parse forward "x": Invalid argument'],
    [['1,uart,tcp'], "Unable to initialize backend 'tcp' for PCI uart at 1:0"],
  ])('%j', (slots, text) => {
    expect(refusal(...slots.flatMap((slot) => ['-s', slot]), ...FIRMWARE)).toEqual([text, 1]);
  });

  test('a disk’s options', () => {
    const [disk] = board('-s', '1,virtio-blk,d,ro,sync,sectorsize=512/4096').slots;
    expect(disk?.device).toMatchObject({
      block: { path: 'd', readOnly: true, sync: true, sectors: { logical: 512, physical: 4096 } },
    });
  });

  test('a card’s options', () => {
    const { slots } = board(
      ...['-s', '1,virtio-net,en0,mac=A:b:c:d:e:F', '-s', '2,virtio-net,mac=02:00:00:00:00:01'],
      ...['-s', '3,virtio-net,,forward=2222:22,forward=127.0.0.2:53:53/udp', '-s', '4,virtio-tap,tap3'],
    );
    expect(slots.map(({ device }) => (device.kind === 'virtio-net' ? device.network : undefined))).toEqual([
      { kind: 'gateway', mac: '0a:0b:0c:0d:0e:0f', forwards: [] },
      { kind: 'gateway', mac: '02:00:00:00:00:01', forwards: [] },
      {
        kind: 'gateway',
        mac: undefined,
        forwards: [
          { protocol: 'tcp', address: '127.0.0.1', hostPort: 2222, guestPort: 22 },
          { protocol: 'udp', address: '127.0.0.2', hostPort: 53, guestPort: 53 },
        ],
      },
      { kind: 'tap', name: 'tap3', mac: undefined },
    ]);
  });
});

describe('-l', () => {
  const LPC = ['-s', '31,lpc'];

  test('every kind of end, the last terminal counts', () => {
    const { com1, com2 } = board(...LPC, '-l', 'COM1,null,asl,/dev/ttyS3', '-l', 'com2,stdio,log=r,autopty');
    expect(com1).toEqual({ terminal: { kind: 'device', path: '/dev/ttyS3' }, ringPath: undefined, systemLog: true });
    expect(com2).toEqual({ terminal: { kind: 'autopty', linkPath: undefined }, ringPath: 'r', systemLog: false });
  });

  test('without an LPC bridge there are no ports', () => {
    expect(board('-l', 'com1,stdio').com1).toBeUndefined();
  });

  test.each(['com3,stdio', 'stdio', ''])('%j is no port', (text) => {
    expect(refusal('-l', text, ...FIRMWARE)).toEqual([`hyperkit: invalid lpc device configuration '${text}'`, 64]);
  });

  test.each(['log=ring', 'asl', 'autopty=', 'nothing', 'stdio,stdio', ''])('%j connects nothing', (text) => {
    const words = [...LPC, '-l', `com1,${text}`, ...FIRMWARE];
    expect(refusal(...words)).toEqual([`Unable to initialize backend '${text}' for LPC device COM1`, 1]);
  });
});

describe('-f', () => {
  test.each([
    ['kexec,k', { kind: 'kexec', kernel: 'k', initrd: undefined, commandLine: 'auto' }],
    ['kexec,k,,root=/dev/vda', { kind: 'kexec', kernel: 'k', initrd: undefined, commandLine: 'root=/dev/vda' }],
    ['bootrom,r,,', { kind: 'bootrom', image: 'r' }],
    [
      'multiboot,k,a;x y:b,words',
      {
        kind: 'multiboot',
        kernel: 'k',
        modules: [
          { path: 'a', commandLine: 'x y' },
          { path: 'b', commandLine: '' },
        ],
        commandLine: 'words',
      },
    ],
  ])('%s', (text, firmware) => {
    expect(settings('-f', text).board.firmware).toEqual(firmware);
  });

  test('FreeBSD’s loader is refused with a way out', () => {
    expect(refusal('-f', 'fbsd,userboot.so,vol')[0]).toMatch(/boot FreeBSD with -f bootrom/);
  });
});

describe('whatever the words', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '-',
      '--',
      '-A',
      '-s',
      '-l',
      '-f',
      '-m',
      '-c',
      '-U',
      '-g',
      '-F',
      '-Y',
      '-h',
      '-v',
      'kexec,k',
      '31,lpc',
    ),
    fc.constantFrom('com1,stdio', 'virtio-blk', 'virtio-net', 'mac=', 'path=', 'sectorsize=', ',', ':', ';', '=', '/'),
    fc.string({ maxLength: 12 }),
    fc.integer().map(String),
  );
  const word = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(''));

  test('there is an answer', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, word), { maxLength: 12 }), (words) => {
        const command = parse(...words);
        if (command.kind !== 'print') return;
        expect(command.text.endsWith('\n')).toBe(true);
        expect([0, 1, 64]).toContain(command.status);
      }),
      { numRuns: 2000 },
    );
  });

  test('slots come out as they went in, in the bus’s order', () => {
    const place = fc.record({ slot: fc.nat(31), func: fc.nat(7) });
    const places = fc.uniqueArray(place, { selector: ({ slot, func }) => slot * 8 + func, maxLength: 20 });
    fc.assert(
      fc.property(places, (given) => {
        const { slots } = board(...given.flatMap(({ slot, func }) => ['-s', `${slot}:${func},virtio-rnd`]));
        const sorted = [...given].sort((a, b) => a.slot - b.slot || a.func - b.func);
        expect(slots).toEqual(sorted.map((each) => ({ ...each, device: { kind: 'virtio-rnd' } })));
      }),
    );
  });
});
