import fc from 'fast-check';
import { AcpiPower } from '../../../../../engine/vmm/platform/acpi-power';
import { ByteRing } from '../../../../../engine/vmm/platform/byte-ring';
import { BVM_CONSOLE, BvmPort, PostPort } from '../../../../../engine/vmm/platform/debug-ports';
import { I8042 } from '../../../../../engine/vmm/platform/i8042';
import { Port92 } from '../../../../../engine/vmm/platform/port92';
import { ResetControl } from '../../../../../engine/vmm/platform/reset-control';
import { FakeLines, FakeRequests, perform, randomAccesses } from './fakes';

const fuzzed = (act: (seed: number) => void) => fc.assert(fc.property(fc.integer({ min: 1 }), act), { numRuns: 40 });

describe('ACPI power', () => {
  function build() {
    const lines = new FakeLines();
    const requests = new FakeRequests();
    const time: { now: readonly [number, number] } = { now: [0, 0] };
    const power = new AcpiPower(new SharedArrayBuffer(AcpiPower.STATE_BYTES), {
      lines,
      requests,
      monotonic: () => time.now,
    });
    power.reset();
    return { power, lines, requests, time };
  }

  it('is taken over by the SMI command, and given back', () => {
    const { power } = build();
    expect([power.acpiEnabled, power.read(4, 2)]).toEqual([false, 0]);
    power.write(4, 2, 1);
    expect(power.acpiEnabled).toBe(false);
    power.smiCommand.write(0, 1, 0xa0);
    expect([power.acpiEnabled, power.read(4, 2)]).toEqual([true, 1]);
    power.write(4, 2, 0);
    expect(power.acpiEnabled).toBe(true);
    power.smiCommand.write(0, 1, 0xa1);
    expect(power.acpiEnabled).toBe(false);
  });

  it('raises the SCI while a pressed power button is enabled and not acknowledged', () => {
    const { power, lines } = build();
    power.smiCommand.write(0, 1, 0xa0);
    power.pressPowerButton();
    expect(lines.isOn(9)).toBe(false);
    power.write(2, 2, 0x0100);
    expect(lines.isOn(9)).toBe(true);
    expect(power.read(0, 2)).toBe(0x0100);
    power.write(0, 2, 0xfeff);
    expect(lines.isOn(9)).toBe(true);
    power.write(0, 2, 0x0100);
    expect(lines.isOn(9)).toBe(false);
    expect(power.read(0, 4)).toBe(0x0100_0000);
  });

  it('switches off for sleep type 5 only, in one access or in two', () => {
    const { power, requests } = build();
    for (const type of [0, 1, 2, 3, 4, 6, 7]) power.write(4, 2, (type << 10) | 0x2000);
    power.write(4, 2, 5 << 10);
    expect(requests.asked).toEqual([]);
    power.write(4, 2, (5 << 10) | 0x2000);
    expect(requests.asked).toEqual(['power off']);
    expect(power.read(4, 2)).toBe(5 << 10);
    power.write(5, 1, 0x34);
    expect(requests.asked).toHaveLength(2);
  });

  it('has a timer of 3.579545 MHz with 32 bits', () => {
    const { power, time } = build();
    time.now = [10, 0];
    expect(power.read(8, 4)).toBe(35_795_450);
    time.now = [10, 500_000_000];
    expect(power.read(8, 4)).toBe(37_585_222);
    expect(power.read(8, 2)).toBe(37_585_222 & 0xffff);
    time.now = [1200, 0];
    expect(power.read(8, 4)).toBe((1200 * 3_579_545) % 2 ** 32);
    time.now = [40_000_000, 999_999_999];
    expect(power.read(8, 4)).toBe(Number((40_000_000n * 3_579_545n + 3_579_544n) % 2n ** 32n));
  });

  it('stands whatever a guest does to it', () => {
    fuzzed((seed) => {
      const { power, lines } = build();
      let step = 0;
      for (const access of randomAccesses(seed, 2500, 12)) {
        perform(access.value % 31 === 0 ? power.smiCommand : power, access);
        if (access.value % 17 === 0) power.pressPowerButton();
        if (step++ % 20 !== 0) continue;
        expect(lines.isOn(9)).toBe(power.acpiEnabled && (power.read(0, 2) & power.read(2, 2)) !== 0);
      }
    });
  });
});

describe('keyboard controller', () => {
  function build() {
    const requests = new FakeRequests();
    const i8042 = new I8042(new SharedArrayBuffer(I8042.STATE_BYTES), requests);
    i8042.reset();
    const status = (): number => i8042.command.read(0, 1);
    const answer = (): number => {
      expect(status() & 1).toBe(1);
      return i8042.data.read(0, 1);
    };
    const command = (value: number): void => i8042.command.write(0, 1, value);
    const send = (value: number): void => i8042.data.write(0, 1, value);
    return { i8042, requests, status, answer, command, send };
  }

  it("passes the steps of Linux's i8042 driver, which then knows that there is no mouse", () => {
    const { status, answer, command, send } = build();
    expect(status() & 0x03).toBe(0);
    command(0x20);
    const control = answer();
    command(0x60);
    send(control | 0x10);
    command(0x20);
    expect(answer()).toBe(control | 0x10);
    command(0xaa);
    expect(answer()).toBe(0x55);
    // AUX loop: the byte comes back without the mark of a mouse's byte.
    command(0xd3);
    send(0x5a);
    expect(status() & 0x21).toBe(0x01);
    expect(answer()).toBe(0x5a);
    command(0xa9);
    expect([0x00, 0xfa, 0xff]).not.toContain(answer());
    command(0xab);
    expect(answer()).toBe(0);
    command(0xae);
    command(0xa7);
    command(0x20);
    expect(answer() & 0x30).toBe(0x20);
    expect(status() & 1).toBe(0);
  });

  it('is silent where a keyboard would answer', () => {
    const { status, send } = build();
    send(0xf2);
    expect(status() & 1).toBe(0);
  });

  it('resets the machine', () => {
    const { requests, command, send } = build();
    command(0xfe);
    command(0xd1);
    send(0xfe);
    expect(requests.asked).toEqual(['reset', 'reset']);
    command(0xff);
    command(0xd1);
    send(0xdf);
    expect(requests.asked).toHaveLength(2);
    command(0xd0);
  });

  it('stands whatever a guest does to it', () => {
    fuzzed((seed) => {
      const { i8042 } = build();
      for (const access of randomAccesses(seed, 2500, 4)) {
        perform(access.value % 3 === 0 ? i8042.data : i8042.command, access);
      }
    });
  });
});

describe('resets', () => {
  it('happen when bit 2 of port 0xCF9 is written', () => {
    const requests = new FakeRequests();
    const control = new ResetControl(new SharedArrayBuffer(ResetControl.STATE_BYTES), requests);
    control.reset();
    control.write(0, 1, 0x02);
    expect([control.read(0, 1), requests.asked.length]).toEqual([0x02, 0]);
    control.write(0, 1, 0x06);
    expect(requests.asked).toEqual(['reset']);
    control.write(0, 1, 0x0e);
    expect(requests.asked).toHaveLength(2);
    fuzzed((seed) => {
      for (const access of randomAccesses(seed, 300, 1)) perform(control, access);
    });
  });

  it('happen when bit 0 of port 0x92 is written', () => {
    const requests = new FakeRequests();
    const port = new Port92(new SharedArrayBuffer(Port92.STATE_BYTES), requests);
    port.reset();
    expect(port.read(0, 1)).toBe(0x02);
    port.write(0, 1, 0x00);
    expect([port.read(0, 1), requests.asked.length]).toEqual([0, 0]);
    port.write(0, 1, 0x01);
    expect(requests.asked).toEqual(['reset']);
    fuzzed((seed) => {
      for (const access of randomAccesses(seed, 300, 1)) perform(port, access);
    });
  });
});

describe('debugging ports', () => {
  it('take POST codes', () => {
    const post = new PostPort();
    post.write(0, 1, 0x31);
    expect([post.read(0, 1), post.read(0, 4)]).toEqual([0xff, 0xffff_ffff]);
  });

  it('are a console with a signature', () => {
    const ring = () => {
      const made = new ByteRing(new SharedArrayBuffer(ByteRing.stateBytes(64)), () => undefined);
      made.reset();
      return made;
    };
    const [output, input] = [ring(), ring()];
    const port = new BvmPort(BVM_CONSOLE.signature, output, input);
    expect(Buffer.from([port.read(0, 2) & 0xff, port.read(0, 2) >> 8]).toString()).toBe('vb');
    expect(port.read(0, 1)).toBe(0xff);
    for (const byte of Buffer.from('hello')) port.write(0, 4, byte);
    port.write(0, 1, 0x21);
    let text = '';
    output.drain(100, (bytes) => {
      text += Buffer.from(bytes).toString();
    });
    expect(text).toBe('hello');
    expect(port.read(0, 4)).toBe(0xffff_ffff);
    input.push(0x79);
    expect(port.read(0, 4)).toBe(0x79);
    fuzzed((seed) => {
      for (const access of randomAccesses(seed, 300, 4)) perform(port, access);
    });
  });
});
