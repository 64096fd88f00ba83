// Writes a program that opens a virtual machine on /dev/kvm and sleeps: test/lab/outer/hold-vm.mjs FILE
//
// The kernel patches its own code when the first virtual machine is opened and when the last one is closed (static keys
// such as preempt_notifier_key), and QEMU's emulation with several threads now and then executes a jump that is half
// patched: an invalid opcode in __schedule, about one job in thirty. With one machine open for ever nothing is patched.
import { chmodSync, writeFileSync } from 'node:fs';

const LOAD_ADDRESS = 0x40_0000;
const ELF_HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;

/** System calls of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl). */
const SYS = { open: 2, ioctl: 16, pause: 34 };
/** linux/kvm.h */
const KVM_CREATE_VM = 0xae01;
const KVM_CREATE_VCPU = 0xae41;
const KVM_CREATE_IRQCHIP = 0xae60;
const O_RDWR_CLOEXEC = 0x8_0002;

const u32 = (value) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];
const movEax = (value) => [0xb8, ...u32(value)];
const movEsi = (value) => [0xbe, ...u32(value)];
const XOR_EDX = [0x31, 0xd2];
const MOV_EDI_EAX = [0x89, 0xc7];
const MOV_EDI_EBX = [0x89, 0xdf];
const MOV_EBX_EAX = [0x89, 0xc3];
const SYSCALL = [0x0f, 0x05];
const ioctl = (request) => [...movEax(SYS.ioctl), ...movEsi(request), ...XOR_EDX, ...SYSCALL];

const rest = [
  ...movEax(SYS.open),
  ...movEsi(O_RDWR_CLOEXEC),
  ...XOR_EDX,
  ...SYSCALL,
  ...MOV_EDI_EAX,
  ...ioctl(KVM_CREATE_VM),
  ...MOV_EBX_EAX,
  ...MOV_EDI_EBX,
  ...ioctl(KVM_CREATE_IRQCHIP),
  ...MOV_EDI_EBX,
  ...ioctl(KVM_CREATE_VCPU),
  ...movEax(SYS.pause),
  ...SYSCALL,
  // jmp back to the pause: 5 + 2 bytes, and its own 2
  0xeb,
  0xf7,
];
// lea rdi, [rip + length of the rest]: the path lies behind the code.
const code = Buffer.from([0x48, 0x8d, 0x3d, ...u32(rest.length), ...rest, ...Buffer.from('/dev/kvm\0')]);

const start = ELF_HEADER_BYTES + PROGRAM_HEADER_BYTES;
const elf = Buffer.alloc(start + code.length);
// Elf64_Ehdr, then one Elf64_Phdr that loads the whole file (elf.h).
Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(elf);
elf.writeUInt16LE(2, 16); // ET_EXEC
elf.writeUInt16LE(62, 18); // EM_X86_64
elf.writeUInt32LE(1, 20);
elf.writeBigUInt64LE(BigInt(LOAD_ADDRESS + start), 24);
elf.writeBigUInt64LE(BigInt(ELF_HEADER_BYTES), 32);
elf.writeUInt16LE(ELF_HEADER_BYTES, 52);
elf.writeUInt16LE(PROGRAM_HEADER_BYTES, 54);
elf.writeUInt16LE(1, 56);
elf.writeUInt32LE(1, 64); // PT_LOAD
elf.writeUInt32LE(5, 68); // PF_R | PF_X
elf.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 80);
elf.writeBigUInt64LE(BigInt(LOAD_ADDRESS), 88);
elf.writeBigUInt64LE(BigInt(elf.length), 96);
elf.writeBigUInt64LE(BigInt(elf.length), 104);
elf.writeBigUInt64LE(0x1000n, 112);
code.copy(elf, start);

const [file] = process.argv.slice(2);
writeFileSync(file, elf);
chmodSync(file, 0o755);
