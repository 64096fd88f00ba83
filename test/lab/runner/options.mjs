import path from 'node:path';

export const USAGE = `usage: test/lab/run [OPTION...] -- COMMAND ARGUMENT...

Runs COMMAND in an emulated machine with a working /dev/kvm. It finds Node, busybox and, read-only and at the paths they
have here, the project and what is shared. Its output and its exit status are those of this program.

  --share PATH        also shows a folder or a file, read-only, at the same path; may be repeated
  --out DIR           a folder the command may write to, at the same path
  --memory MIB        memory of the machine (2048)
  --cpus N            its processors (2)
  --deadline SECONDS  ends everything after that time (300)
  --with bench        also has qemu-system-x86_64, fio and iperf3
  --console FILE      keeps the machine's console there
  --cold              boots the machine instead of restoring it as it was after its last boot

Exit 124: the deadline passed. Exit 125: the machine failed (a panic of its kernel, for one). The reason and the end of
the machine's console are on standard error.`;

const NUMBERS = { memory: [256, 65_536], cpus: [1, 16], deadline: [1, 86_400] };

/** What stands before `--`, and the command behind it. Throws a sentence for whoever typed it. */
export function parseOptions(words) {
  const options = {
    memory: 2048,
    cpus: 2,
    deadline: 300,
    shares: [],
    out: undefined,
    bench: false,
    console: undefined,
    cold: false,
    command: [],
  };
  const left = [...words];
  const value = (word) => {
    const next = left.shift();
    if (next === undefined || next === '--') throw new Error(`${word} needs a value`);
    return next;
  };
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === '--') {
      options.command = left.splice(0);
    } else if (word === '--share') {
      options.shares.push(path.resolve(value(word)));
    } else if (word === '--out' || word === '--console') {
      options[word.slice(2)] = path.resolve(value(word));
    } else if (word === '--cold') {
      options.cold = true;
    } else if (word === '--with') {
      if (value(word) !== 'bench') throw new Error('--with knows only "bench"');
      options.bench = true;
    } else if (Object.hasOwn(NUMBERS, word.slice(2))) {
      const [least, most] = NUMBERS[word.slice(2)];
      const number = Number(value(word));
      if (!(number >= least && number <= most) || (word !== '--deadline' && !Number.isInteger(number)))
        throw new Error(`${word} takes a number from ${least} to ${most}`);
      options[word.slice(2)] = number;
    } else {
      throw new Error(`unknown option "${word}"`);
    }
  }
  if (options.command.length === 0) throw new Error('there is no command: it stands behind "--"');
  return options;
}
