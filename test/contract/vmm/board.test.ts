import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { KvmInterrupts } from '../../../engine/vmm/kvm/kvm-interrupts';
import { eventfds } from '../../../native/eventfd';
import { boardSpec, findKvmObstacle, GuestBench, type Heard } from '../../support/vmm/board';
import { GuestCode } from '../../support/vmm/guest-code';
import { bootrom, bzImage, multibootImage } from '../../support/vmm/guest-images';
import { setUpPics } from '../../support/vmm/interrupt-controllers';

const obstacle = findKvmObstacle();
if (obstacle !== undefined) console.warn(`guests on KVM are left out: ${obstacle}`);

jest.setTimeout(60_000);

const bench = new GuestBench();
beforeAll(async () => await bench.open());
afterAll(async () => await bench.close());

const multiboot = async (code: GuestCode, commandLine = '') => {
  const kernel = await bench.file(multibootImage(code.build()));
  return { kind: 'multiboot', kernel, modules: [], commandLine } as const;
};
/** Descriptor of the only machine that runs. */
const findVm = (): number => {
  const found = readdirSync('/proc/self/fd').find((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('kvm-vm');
    } catch {
      return false; // the folder's own descriptor
    }
  });
  return Number(found);
};
const protectedMode = (): GuestCode => new GuestCode(32);

(obstacle === undefined ? describe : describe.skip)('hand-made guests', () => {
  test('a boot ROM begins in real mode at the reset vector', async () => {
    const image = await bench.file(bootrom(new GuestCode(16).print('real').powerOff().build()));
    const { exit, heard } = await bench.run(boardSpec({ kind: 'bootrom', image }));
    expect(exit).toEqual({ kind: 'power-off' });
    expect(heard.text).toBe('real');
  });

  test('a bzImage is entered in 64-bit mode, with its zero page in RSI', async () => {
    // movzx eax, word [rsi+0x1fe]; then mov eax, [rsi+0x228] (the command line), mov eax, [rax]
    const code = new GuestCode(64)
      .raw(0x0f, 0xb7, 0x86, 0xfe, 0x01, 0x00, 0x00)
      .printEax()
      .raw(0x8b, 0x86, 0x28, 0x02, 0x00, 0x00, 0x8b, 0x00)
      .printEax()
      .powerOff();
    const kernel = await bench.file(bzImage(code.build()));
    const initrd = await bench.file(Buffer.from('initrd'));
    const { exit, heard } = await bench.run(boardSpec({ kind: 'kexec', kernel, initrd, commandLine: 'words' }));
    expect(exit).toEqual({ kind: 'power-off' });
    expect(heard.text).toBe('\x55\xaa\0\0word');
  });

  test('a bzImage without a 64-bit entry is entered in 32-bit mode', async () => {
    const code = protectedMode().print('32').powerOff();
    const kernel = await bench.file(bzImage(new Uint8Array(0), code.build(), { has64BitEntry: false }));
    const { heard } = await bench.run(boardSpec({ kind: 'kexec', kernel, initrd: undefined, commandLine: '' }));
    expect(heard.text).toBe('32');
  });

  test('a Multiboot kernel finds its magic, its command line and its modules', async () => {
    // EAX, then [ebx+16] -> text, then [ebx+24] -> start of the module -> its bytes
    const code = protectedMode()
      .raw(0x89, 0xdf)
      .printEax()
      .raw(0x8b, 0x47, 16, 0x8b, 0x00)
      .printEax()
      .raw(0x8b, 0x47, 24, 0x8b, 0x00, 0x8b, 0x00)
      .printEax()
      .powerOff();
    const kernel = await bench.file(multibootImage(code.build()));
    const module = await bench.file(Buffer.from('module'));
    const firmware = { kind: 'multiboot', kernel, commandLine: 'words', modules: [{ path: module, commandLine: '' }] };
    const { heard } = await bench.run(boardSpec(firmware as never));
    expect(heard.text).toBe('\x02\xb0\xad\x2bwordmodu');
  });

  test('ports answer, and where nothing is they read as ones', async () => {
    // The RTC's register D says that its battery is good.
    const code = protectedMode().out8(0x70, 0x0d).in8(0x71).printAl().in8(0x5000).printAl().in32(0x5000).printEax();
    const { heard } = await bench.run(boardSpec(await multiboot(code.powerOff())));
    expect(heard.bytes).toEqual(Buffer.from('80ffffffffff', 'hex'));
  });

  test('string instructions are many accesses at once', async () => {
    // rep insb where nothing is, then rep outsb of it
    const code = protectedMode().raw(0xfc).dx(0x5000).ecx(16).edi(0x4000).raw(0xf3, 0x6c);
    code.dx(0x3f8).ecx(16).esi(0x4000).raw(0xf3, 0x6e);
    const { heard, board } = await bench.run(boardSpec(await multiboot(code.powerOff())));
    expect(heard.bytes).toEqual(Buffer.alloc(16, 0xff));
    // KVM asks for all 16 bytes at once, and writes them one by one; switching off is one more.
    expect(board.exitCounts()[0]?.['io']).toBeLessThanOrEqual(18);
  });

  test('memory that nobody answers reads as ones; a BAR is there', async () => {
    // Slot 0 is the host bridge at configuration space; its id by the ports, then nothing at 3 GiB.
    const code = protectedMode().out32(0xcf8, 0x8000_0000).in32(0xcfc).printEax().load(0xd000_0000).printEax();
    const { heard, board } = await bench.run(boardSpec(await multiboot(code.powerOff())));
    expect(heard.bytes).toEqual(Buffer.from('75127512ffffffff', 'hex'));
    expect(board.exitCounts()[0]?.['mmio']).toBe(1);
  });

  test('a reset is told apart from a triple fault', async () => {
    const reset = await bench.run(boardSpec(await multiboot(protectedMode().out8(0x64, 0xfe).halt())));
    expect(reset.exit).toEqual({ kind: 'reset' });
    // lidt of an empty table, then ud2
    const fault = protectedMode()
      .store(0x3000, 0)
      .store(0x3004, 0)
      .raw(0x0f, 0x01, 0x1d, 0, 0x30, 0, 0)
      .raw(0x0f, 0x0b);
    expect((await bench.run(boardSpec(await multiboot(fault)))).exit).toEqual({ kind: 'triple-fault' });
  });

  test('a second CPU starts by INIT and SIPI', async () => {
    const second = new GuestCode(16).raw(0xc6, 0x06, 0x00, 0x90, 0x2a).halt().build();
    const code = protectedMode();
    for (const [index, byte] of second.entries()) code.edi(0x8000 + index).raw(0xc6, 0x07, byte);
    // The local APIC's command register: everybody else gets an INIT, then starts at 0x8000.
    code.store(0xfee0_0300, 0x000c_4500).store(0xfee0_0300, 0x000c_4608);
    code.label('wait').load(0x9000).raw(0x3c, 0x2a).jumpIf(0x75, 'wait').printAl();
    const { exit, heard } = await bench.run(boardSpec(await multiboot(code.powerOff()), { vcpus: 2 }));
    expect(exit).toEqual({ kind: 'power-off' });
    expect(heard.text).toBe('*');
  });

  /** Real mode: copies a handler to 0x8000 and points an interrupt vector at it. */
  const withHandler = (vector: number, handler: GuestCode): GuestCode => {
    const code = new GuestCode(16);
    for (const [index, byte] of handler.build().entries()) {
      const [low, high] = [(0x8000 + index) & 0xff, (0x8000 + index) >> 8];
      code.raw(0xc6, 0x06, low, high, byte);
    }
    const at = vector * 4;
    return code.raw(0xc7, 0x06, at & 0xff, at >> 8, 0x00, 0x80, 0xc7, 0x06, (at + 2) & 0xff, (at + 2) >> 8, 0, 0);
  };
  const sleepForever = (code: GuestCode): GuestCode => code.label('sleep').raw(0xfb, 0xf4).jump('sleep');

  test('the power button wakes a CPU that halts', async () => {
    const code = withHandler(0x71, new GuestCode(16).print('pressed').powerOff());
    setUpPics(code, { first: 0x08, second: 0x70, open: [9] });
    // ACPI on, the button enabled.
    sleepForever(code.out8(0xb2, 0xa0).out16(0x402, 0x100).print('ready'));
    const image = await bench.file(bootrom(code.build()));
    const { board, heard } = await bench.start(boardSpec({ kind: 'bootrom', image }));
    await heard.until('ready');
    expect(board.acpiEnabled).toBe(true);
    board.powerButton();
    expect(await board.exited).toEqual({ kind: 'power-off' });
    expect(heard.text).toBe('readypressed');
  });

  test('a message-signalled interrupt wakes a CPU that halts', async () => {
    const code = withHandler(0x41, new GuestCode(16).print('message').powerOff());
    // x2APIC mode by IA32_APIC_BASE, then the APIC on by its spurious vector register.
    const writeMsr = (msr: number, value: number): GuestCode =>
      code.ecx(msr).eax(value).raw(0x66, 0x31, 0xd2, 0x0f, 0x30);
    writeMsr(0x1b, 0xfee0_0d00);
    writeMsr(0x80f, 0x1ff);
    sleepForever(code.print('ready'));
    const image = await bench.file(bootrom(code.build()));
    const { board, heard } = await bench.start(boardSpec({ kind: 'bootrom', image }));
    await heard.until('ready');
    new KvmInterrupts(findVm()).send(0xfee0_0000, 0, 0x41);
    expect(await board.exited).toEqual({ kind: 'power-off' });
    expect(heard.text).toBe('readymessage');
  });

  test('a kick of KVM’s own reaches an eventfd without an exit', async () => {
    const code = protectedMode().print('?').label('wait').in8(0x3fd).raw(0xa8, 0x01).jumpIf(0x74, 'wait');
    const firmware = await multiboot(code.store(0xd000_0004, 7).powerOff());
    const { board, heard } = await bench.start(boardSpec(firmware));
    await heard.until('?');
    const interrupts = new KvmInterrupts(findVm());
    const eventfd = eventfds.create();
    interrupts.assign(0xd000_0004, eventfd);
    board.typeIn('com1', Buffer.from('.'));
    expect(await board.exited).toEqual({ kind: 'power-off' });
    expect(board.exitCounts()[0]).not.toHaveProperty('mmio');
    expect(eventfds.clear(eventfd)).toBe(true);
    eventfds.close(eventfd);
  });

  test('a device’s registers are where its BAR says', async () => {
    // Slot 1's BAR 0 by the configuration ports, then the number of queues of the entropy device.
    const code = protectedMode().out32(0xcf8, 0x8000_0810).in32(0xcfc).raw(0x89, 0xc3, 0x0f, 0xb7, 0x43, 18).printEax();
    const firmware = await multiboot(code.powerOff());
    const slots = [...boardSpec(firmware).slots, { slot: 1, func: 0, device: { kind: 'virtio-rnd' } } as const];
    const { heard } = await bench.run(boardSpec(firmware, { slots }));
    expect(heard.bytes).toEqual(Buffer.from('01000000', 'hex'));
  });

  test('pause and resume', async () => {
    // Goes around, with an exit each time.
    const code = protectedMode().print('run').dx(0x80).label('again').raw(0xee).jump('again');
    const { board, heard } = await bench.start(boardSpec(await multiboot(code), { vcpus: 2 }));
    await heard.until('run');
    const exits = (): number => board.exitCounts()[0]?.['io'] ?? 0;
    await board.pause();
    const paused = exits();
    await board.pause();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(exits()).toBe(paused);
    await board.resume();
    while (exits() === paused) await new Promise((resolve) => setImmediate(resolve));
    await board.pause();
    await board.kill();
    expect(await board.exited).toEqual({ kind: 'killed' });
  });

  test('a guest that spins, or halts for good, can be killed', async () => {
    for (const code of [protectedMode().label('spin').jump('spin'), protectedMode().halt()]) {
      const { board } = await bench.start(boardSpec(await multiboot(code), { vcpus: 2 }));
      await board.kill();
      await board.kill();
      expect(await board.exited).toEqual({ kind: 'killed' });
    }
  });

  test('unknown MSRs fault, or read as 0 when they are to be ignored', async () => {
    const firmware = await multiboot(protectedMode().ecx(0x12345).eax(7).raw(0x0f, 0x32).printEax().powerOff());
    const faults = await bench.run(boardSpec(firmware));
    // There is no handler for the fault.
    expect(faults.exit).toEqual({ kind: 'triple-fault' });
    const ignores = await bench.run(boardSpec(firmware, { ignoreUnknownMsrs: true }));
    expect(ignores.heard.bytes).toEqual(Buffer.alloc(4));
    expect(ignores.board.exitCounts()[0]?.['rdmsr']).toBe(1);
  });

  test('strict I/O ends the machine at a port without device', async () => {
    const firmware = await multiboot(protectedMode().in8(0x5000).halt());
    const { exit } = await bench.run(boardSpec(firmware, { strictIo: true }));
    expect(exit.kind).toBe('failed');
    expect(exit).toMatchObject({ detail: expect.stringMatching(/port 0x5000, .*\nrip 000000000010002/s) as string });
  });

  test('what KVM can’t run fails with the CPU’s registers', async () => {
    // It jumps to where there is no memory.
    const code = protectedMode().ebx(0xd000_0000).raw(0xff, 0xe3);
    const { exit } = await bench.run(boardSpec(await multiboot(code)));
    expect(exit.kind).toBe('failed');
    expect(exit).toMatchObject({ detail: expect.stringMatching(/CPU 0: .*rip 00000000d0000000/s) as string });
  });

  test('typed bytes reach the guest, the rest when it has read', async () => {
    // Echoes whatever COM1 has, until a dot.
    const code = protectedMode().print('?').label('wait').in8(0x3fd).raw(0xa8, 0x01).jumpIf(0x74, 'wait').in8(0x3f8);
    code.printAl().raw(0x3c, 0x2e).jumpIf(0x75, 'wait');
    const { board, heard } = await bench.start(boardSpec(await multiboot(code.powerOff())));
    let rest: Uint8Array = Buffer.from(`${'abcdefghij'.repeat(30)}.`);
    const type = (): void => {
      rest = rest.subarray(board.typeIn('com1', rest));
    };
    board.onTypeReady('com1', type);
    await heard.until('?');
    type();
    expect(rest.length).toBeGreaterThan(0);
    expect(await board.exited).toEqual({ kind: 'power-off' });
    expect(heard.text).toBe(`?${'abcdefghij'.repeat(30)}.`);
  });
});

(obstacle === undefined ? describe : describe.skip)('what a machine leaves', () => {
  const left = (): { descriptors: number; threads: number; kvmMappings: number } => ({
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    kvmMappings: readFileSync('/proc/self/maps', 'latin1').split('kvm-vcpu').length,
  });
  const runOnce = async (): Promise<Heard> => {
    const spec = boardSpec(await multiboot(protectedMode().print('x').powerOff()), { vcpus: 3 });
    return (await bench.run(spec)).heard;
  };

  test('is nothing: no descriptor, thread or mapping', async () => {
    await runOnce();
    const before = left();
    for (let round = 0; round < 5; round++) await runOnce();
    expect(left()).toEqual(before);
  });

  test('is nothing that would keep its process from ending', async () => {
    // Inside of the project, where Node finds koffi.
    const folder = mkdtempSync(path.resolve('dist/contract-'));
    try {
      buildSync({
        entryPoints: {
          program: path.join(__dirname, 'fixtures/exit-while-running.ts'),
          'vcpu-worker': 'engine/vmm/vcpu/vcpu-worker.ts',
        },
        outdir: folder,
        outExtension: { '.js': '.cjs' },
        bundle: true,
        platform: 'node',
        external: ['koffi'],
      });
      const image = await bench.file(multibootImage(protectedMode().print('!').label('spin').jump('spin').build()));
      const { status, signal } = spawnSync(process.execPath, [path.join(folder, 'program.cjs'), image], {
        timeout: 30_000,
      });
      expect({ status, signal }).toEqual({ status: 7, signal: null });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('is nothing after a start that fails, either', async () => {
    await runOnce();
    const before = left();
    const notAKernel = await bench.file(Buffer.alloc(1000));
    const kexec = { kind: 'kexec', kernel: notAKernel, initrd: undefined, commandLine: '' } as const;
    await expect(bench.start(boardSpec(kexec))).rejects.toMatchObject({
      code: 'HK_BOOT_FAILED',
      message: expect.stringContaining('it is not a bzImage') as string,
    });
    await expect(bench.start(boardSpec(kexec, { vcpus: 5000 }))).rejects.toMatchObject({ code: 'HK_SPEC_INVALID' });
    await expect(bench.start(boardSpec(kexec, { memoryBytes: 2 ** 50 }))).rejects.toMatchObject({
      code: 'HK_KVM_FAILED',
      message: expect.stringContaining('1073741824 MiB of memory') as string,
    });
    expect(left()).toEqual(before);
  });
});
