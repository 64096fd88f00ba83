/** Where the program is loaded. */
const BASE = 0x40_0000;
const HEADERS_BYTES = 64 + 56;
const AF_VSOCK = 40;
const HOST_CID = 2;
const VMADDR_CID_ANY = 0xffff_ffff;

/**
 * A program for x86-64 Linux that connects to a port of the host by AF_VSOCK, or waits for one connection on a port of
 * its own, and becomes a shell on it. Busybox has nothing that speaks AF_VSOCK.
 */
export function vsockShell(how: 'connect' | 'listen', port: number): Buffer {
  const code = (data: { address: number; path: number; arguments: number }): Buffer =>
    Buffer.concat([
      // socket(AF_VSOCK, SOCK_STREAM, 0)
      call(41, AF_VSOCK, 1, 0),
      keepResult,
      // connect or bind (fd, address, 16)
      call(how === 'connect' ? 42 : 49, undefined, data.address, 16),
      // listen(fd, 1), accept(fd, 0, 0)
      ...(how === 'connect' ? [] : [call(50, undefined, 1, 0), call(43, undefined, 0, 0), keepResult]),
      // dup2(fd, 0), dup2(fd, 1), execve(path, arguments, 0), exit(1)
      call(33, undefined, 0, 0),
      call(33, undefined, 1, 0),
      call(59, data.path, data.arguments, 0),
      call(60, 1, 0, 0),
    ]);
  const dataStart = BASE + HEADERS_BYTES + code({ address: 0, path: 0, arguments: 0 }).length;
  const path = dataStart + 16;
  const argumentList = path + 8;
  const data = Buffer.alloc(16 + 8 + 16);
  // struct sockaddr_vm: 0 u16 family, 4 u32 port, 8 u32 cid
  data.writeUInt16LE(AF_VSOCK, 0);
  data.writeUInt32LE(port, 4);
  data.writeUInt32LE(how === 'connect' ? HOST_CID : VMADDR_CID_ANY, 8);
  data.write('/bin/sh', 16);
  data.writeUInt32LE(path, 24);
  return elf(Buffer.concat([code({ address: dataStart, path, arguments: argumentList }), data]));
}

/** mov ebx, eax: the descriptor of all that follows. */
const keepResult = Buffer.of(0x89, 0xc3);

/** A system call; the first argument is the descriptor when it is undefined. */
function call(number: number, first: number | undefined, second: number, third: number): Buffer {
  return Buffer.concat([
    first === undefined ? Buffer.of(0x89, 0xdf) : load(0xbf, first),
    load(0xbe, second),
    load(0xba, third),
    load(0xb8, number),
    Buffer.of(0x0f, 0x05),
  ]);
}

/** mov r32, imm32 */
function load(opcode: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt8(opcode);
  bytes.writeUInt32LE(value, 1);
  return bytes;
}

/** One segment that may be read, written and run (System V ABI, chapters 4 and 5). */
function elf(code: Buffer): Buffer {
  const headers = Buffer.alloc(HEADERS_BYTES);
  headers.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  headers.writeUInt16LE(2, 16); // ET_EXEC
  headers.writeUInt16LE(62, 18); // EM_X86_64
  headers.writeUInt32LE(1, 20);
  headers.writeUInt32LE(BASE + HEADERS_BYTES, 24);
  headers.writeUInt32LE(64, 32);
  headers.writeUInt16LE(64, 52);
  headers.writeUInt16LE(56, 54);
  headers.writeUInt16LE(1, 56);
  headers.writeUInt32LE(1, 64); // PT_LOAD
  headers.writeUInt32LE(7, 68);
  headers.writeUInt32LE(BASE, 80);
  headers.writeUInt32LE(BASE, 88);
  headers.writeUInt32LE(HEADERS_BYTES + code.length, 96);
  headers.writeUInt32LE(HEADERS_BYTES + code.length, 104);
  headers.writeUInt32LE(0x1000, 112);
  return Buffer.concat([headers, code]);
}
