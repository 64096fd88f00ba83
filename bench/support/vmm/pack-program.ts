/**
 * Shell commands in the lab that make `tools.raw`, a tar archive of a program of the lab's with all of its libraries, for
 * guests that have none. @param extra more libraries, by file name.
 */
export function packProgram(program: string, extra: readonly string[] = []): string {
  return `
libraries=/bench/usr/lib/x86_64-linux-gnu
loader=/bench/usr/lib64/ld-linux-x86-64.so.2
mkdir tools
$loader --library-path $libraries:$libraries/ceph --list /bench/usr/bin/${program} |
  sed -n 's/.* => \\(.*\\) (.*/\\1/p' | while read -r library; do cp -L "$library" tools; done
cp -L /bench/usr/bin/${program} ${extra.map((name) => `$libraries/${name}`).join(' ')} tools
cp -L $loader tools/ld.so
tar cf tools.raw -C tools . && rm -r tools
`;
}

/** Shell command in the guest that unpacks it from a disk; the shell function `tool` then runs the program. */
export function unpackProgram(disk: string, program: string): string {
  return `
mkdir /tools; tar xf ${disk} -C /tools
tool() { /tools/ld.so --library-path /tools /tools/${program} "$@"; }
`;
}
