import fc from 'fast-check';
import { ByteRing } from '../../../../../engine/vmm/platform/byte-ring';
import { Uart16550 } from '../../../../../engine/vmm/platform/uart-16550';
import { bytePorts, FakeLines, perform, randomAccesses } from './fakes';

const IRQ = 4;
const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7] as const;

function build(outputBytes = 1024) {
  const shared = new SharedArrayBuffer(Uart16550.STATE_BYTES);
  const ringShared = new SharedArrayBuffer(ByteRing.stateBytes(outputBytes));
  const lines = new FakeLines();
  const calls = { inputWanted: 0, wakes: 0 };
  const make = () => {
    const output = new ByteRing(ringShared, () => calls.wakes++);
    const uart = new Uart16550(shared, { lines, irq: IRQ, output, inputWanted: () => calls.inputWanted++ });
    return { uart, output, ...bytePorts(uart) };
  };
  const made = make();
  made.output.reset();
  made.uart.reset();
  const printed = (): string => {
    let text = '';
    made.output.drain(1_000_000, (bytes) => {
      text += Buffer.from(bytes).toString('latin1');
    });
    made.uart.outputDrained();
    return text;
  };
  return { ...made, make, lines, calls, printed };
}

it('is found as a 16550A by the steps of Linux 8250 autoconfiguration', () => {
  const { in: inb, out: outb } = build();
  outb(IER, 0);
  expect(inb(IER) & 0x0f).toBe(0);
  outb(IER, 0x0f);
  expect(inb(IER)).toBe(0x0f);
  outb(IER, 0xff);
  expect(inb(IER)).toBe(0x0f);
  outb(IER, 0);
  outb(MCR, 0x1a);
  expect(inb(MSR) & 0xf0).toBe(0x90);
  outb(MCR, 0);
  expect(inb(MSR) & 0xf0).toBe(0xb0);
  outb(LCR, 0xbf);
  outb(IIR, 0);
  outb(LCR, 0);
  outb(IIR, 1);
  expect(inb(IIR) >> 6).toBe(3);
  // No EFR of a 16650, no bank of a superio chip behind the divisor latch.
  outb(LCR, 0x80);
  expect(inb(IIR)).not.toBe(0);
  outb(LCR, 0xe0);
  const before = inb(IIR);
  outb(LCR, 0);
  outb(MCR, 0x10);
  outb(LCR, 0xe0);
  expect((inb(IIR) ^ before) & 0x10).toBe(0);
  outb(LCR, 0);
  outb(MCR, 0);
  // No UUE of an XScale, no FIFO of 64 bytes.
  outb(IER, 0x40);
  expect(inb(IER) & 0x40).toBe(0);
  outb(IIR, 0x21);
  expect(inb(IIR) & 0x20).toBe(0);
  for (const value of [0x55, 0xaa]) {
    outb(SCR, value);
    expect(inb(SCR)).toBe(value);
  }
});

it('passes the two checks for a broken transmitter interrupt that Linux makes when the port opens', () => {
  const { in: inb, out: outb } = build();
  outb(MCR, 0x0b);
  outb(IER, 0x02);
  const first = inb(IIR);
  outb(IER, 0);
  outb(IER, 0x02);
  const second = inb(IIR);
  expect([first & 0x0f, second & 0x0f]).toEqual([0x02, 0x02]);
  expect(inb(LSR) & 0x60).toBe(0x60);
});

it('sends a text by interrupts, a burst of 16 bytes each', () => {
  const { in: inb, out: outb, lines, printed } = build();
  const text = 'Uncompressing Linux... done, booting the kernel.\r\n'.repeat(3);
  outb(IIR, 1);
  outb(MCR, 0x0b);
  outb(IER, 0x02);
  let sent = 0;
  while (lines.isOn(IRQ)) {
    expect(inb(IIR)).toBe(0xc2);
    expect(inb(LSR) & 0x20).toBe(0x20);
    for (let burst = 0; burst < 16 && sent < text.length; burst++) outb(RBR, text.charCodeAt(sent++));
    if (sent === text.length) outb(IER, 0);
  }
  expect(sent).toBe(text.length);
  expect(printed()).toBe(text);
  expect(lines.edges.length).toBeGreaterThan(2 * (text.length / 16) - 2);
});

it('says it is busy while nobody reads its output, loses nothing, and interrupts when there is room', () => {
  const { in: inb, out: outb, lines, printed, calls } = build(64);
  outb(MCR, 0x0b);
  outb(IER, 0x02);
  let sent = 0;
  while ((inb(LSR) & 0x20) !== 0) {
    for (let burst = 0; burst < 16; burst++) outb(RBR, 0x41 + (sent++ % 26));
    inb(IIR);
  }
  expect(sent).toBeGreaterThanOrEqual(48);
  expect(lines.isOn(IRQ)).toBe(false);
  expect(calls.wakes).toBe(1);
  expect(printed()).toHaveLength(sent);
  expect(lines.isOn(IRQ)).toBe(true);
  expect(inb(IIR) & 0x0f).toBe(0x02);
});

it('gives what is typed to the guest, holds the rest back, and asks for it when there is room', () => {
  const { in: inb, out: outb, uart, lines, calls } = build();
  const typed = Buffer.from(`${'x'.repeat(100)}the end`);
  outb(MCR, 0x0b);
  outb(IER, 0x01);
  expect(lines.isOn(IRQ)).toBe(false);
  let given = uart.receive(typed);
  expect(given).toBeLessThan(typed.length);
  let text = '';
  while (lines.isOn(IRQ)) {
    expect(inb(IIR) & 0x0f).toBe(0x04);
    while ((inb(LSR) & 1) !== 0) text += String.fromCharCode(inb(RBR));
    if (given < typed.length) {
      expect(calls.inputWanted).toBe(1);
      given += uart.receive(typed.subarray(given));
    }
  }
  expect(text).toBe(typed.toString());
  expect(calls.inputWanted).toBe(1);
});

it('does not interrupt before OUT2 is on, nor while it is looped back', () => {
  const { out: outb, uart, lines } = build();
  outb(IER, 0x01);
  uart.receive(Buffer.from('a'));
  expect(lines.isOn(IRQ)).toBe(false);
  outb(MCR, 0x08);
  expect(lines.isOn(IRQ)).toBe(true);
  outb(MCR, 0x18);
  expect(lines.isOn(IRQ)).toBe(false);
});

it('loops bytes and modem lines back, tells of an overrun once, and takes no input meanwhile', () => {
  const { in: inb, out: outb, uart, printed, calls } = build();
  outb(MCR, 0x10);
  for (let count = 0; count < 100; count++) outb(RBR, count);
  expect(uart.receive(Buffer.from('typed'))).toBe(0);
  expect(inb(LSR) & 0x03).toBe(0x03);
  expect(inb(LSR) & 0x02).toBe(0);
  expect(inb(RBR)).toBe(0);
  expect(inb(RBR)).toBe(1);
  inb(MSR);
  outb(MCR, 0x13);
  expect(inb(MSR)).toBe(0x33);
  expect(inb(MSR)).toBe(0x30);
  outb(MCR, 0x17);
  expect(inb(MSR)).toBe(0x70);
  outb(MCR, 0x13);
  expect(inb(MSR)).toBe(0x34);
  outb(IIR, 0x03);
  expect(inb(LSR) & 1).toBe(0);
  expect(calls.inputWanted).toBe(0);
  outb(MCR, 0x03);
  expect(calls.inputWanted).toBe(1);
  expect(printed()).toBe('');
});

it('is one port in every thread', () => {
  const { make, lines } = build();
  const [one, other] = [make(), make()];
  one.out(MCR, 0x0b);
  one.out(IER, 0x01);
  other.uart.receive(Buffer.from('k'));
  expect(lines.isOn(IRQ)).toBe(true);
  expect(one.in(RBR)).toBe(0x6b);
  expect(lines.edges).toEqual(['4+', '4-']);
  one.out(SCR, 7);
  expect(other.in(SCR)).toBe(7);
});

it('stands whatever a guest does to it, and the line says what the identification register says', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1 }), fc.nat(80), (seed, typing) => {
      const { uart, output, in: inb, lines } = build(256);
      let step = 0;
      for (const access of randomAccesses(seed, 2500, 8)) {
        perform(uart, access);
        if (step++ % 97 === 0) {
          expect(uart.receive(new Uint8Array(typing))).toBeLessThanOrEqual(typing);
          output.drain(step, () => undefined);
          uart.outputDrained();
        }
        if (step % 50 === 0) {
          const connected = (inb(MCR) & 0x18) === 0x08;
          const on = lines.isOn(IRQ);
          expect(on).toBe(connected && (inb(IIR) & 1) === 0);
        }
      }
    }),
    { numRuns: 100 },
  );
});
