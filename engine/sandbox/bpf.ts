/*
 * Classic BPF as seccomp runs it (linux/bpf_common.h, linux/filter.h). An instruction is a struct sock_filter:
 *
 *   0 u16 code    2 u8 jt    3 u8 jf    4 u32 k
 *
 * jt and jf count the instructions to pass over, so a program only runs forward and ends.
 */
const BPF_LD_W_ABS = 0x20;
const BPF_RET_K = 0x06;
/** BPF_JMP with BPF_JEQ, BPF_JGE and BPF_JSET, against the constant. */
const TESTS = { equal: 0x15, 'at-least': 0x35, 'any-bit': 0x45 } as const;

const INSTRUCTION_BYTES = 8;
const MAX_JUMP = 255;

/** A line of a program. Where a jump names no label it falls through to the next line. */
export type BpfLine =
  /** Loads the u32 at `offset` of the data that the program is run on. */
  | { readonly load: number }
  /** Tests what was loaded last. */
  | {
      readonly test: keyof typeof TESTS;
      readonly value: number;
      readonly yes?: string;
      readonly no?: string;
    }
  | { readonly result: number }
  | { readonly label: string };

/**
 * The program as the kernel takes it, little endian.
 * @throws RangeError when a label is not ahead of its jump, or more than 255 instructions away.
 */
export function assembleBpf(lines: readonly BpfLine[]): Uint8Array {
  const instructions = lines.filter((line) => !('label' in line));
  const labels = placeLabels(lines);
  const view = new DataView(new ArrayBuffer(instructions.length * INSTRUCTION_BYTES));
  const distance = (from: number, label: string | undefined): number => {
    if (label === undefined) return 0;
    const jump = (labels.get(label) ?? -1) - from - 1;
    if (jump < 0 || jump > MAX_JUMP) throw new RangeError(`BPF: no jump from ${from} to "${label}"`);
    return jump;
  };
  for (const [index, line] of instructions.entries()) {
    const put = (code: number, k: number, jt = 0, jf = 0): void => {
      const at = index * INSTRUCTION_BYTES;
      view.setUint16(at, code, true);
      view.setUint8(at + 2, jt);
      view.setUint8(at + 3, jf);
      view.setUint32(at + 4, k, true);
    };
    if ('load' in line) put(BPF_LD_W_ABS, line.load);
    else if ('result' in line) put(BPF_RET_K, line.result);
    else if ('test' in line) {
      put(TESTS[line.test], line.value, distance(index, line.yes), distance(index, line.no));
    }
  }
  return new Uint8Array(view.buffer);
}

/** The number of the instruction behind each label. */
function placeLabels(lines: readonly BpfLine[]): ReadonlyMap<string, number> {
  const labels = new Map<string, number>();
  let next = 0;
  for (const line of lines) {
    if ('label' in line) labels.set(line.label, next);
    else next++;
  }
  return labels;
}
