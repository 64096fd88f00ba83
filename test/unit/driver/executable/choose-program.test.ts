import { chooseProgram } from '../../../../driver/executable/choose-program';

const folders = { all: '/cache/programs', own: '/cache/programs/2.0.0-new' };
const choose = (name: string, ...words: readonly string[]) => chooseProgram(name, words, folders);

test.each([
  ['/usr/bin/vpnkit', ['--help'], 'vpnkit', ['--help']],
  ['docker-machine-driver-hyperkit', [], 'docker-machine-driver-hyperkit', []],
  ['./hyperkit', ['vpnkit'], 'hyperkit', ['vpnkit']],
  ['./hyperkit-linux-x64', ['vpnkit', '--help'], 'vpnkit', ['--help']],
  [
    './hyperkit-linux-x64',
    ['docker-machine-driver-hyperkit', 'version'],
    'docker-machine-driver-hyperkit',
    ['version'],
  ],
  ['./hyperkit-linux-x64', ['ls', '-q'], 'hyperkit', ['ls', '-q']],
  ['', [], 'hyperkit', []],
])('%p %p is %s', (name, words, program, its) => {
  expect(choose(name, ...words)).toEqual({
    folder: folders.own,
    file: `${folders.own}/dist/${program}.cjs`,
    words: its,
  });
});

test.each(['/cache/programs/2.0.0-new', '/cache/programs/1.9.0-old'])('starts the machine program of %s', (folder) => {
  const file = `${folder}/dist/hyperkit-machine.cjs`;
  expect(choose('hyperkit', file, '/state')).toEqual({ folder, file, words: ['/state'] });
});

test.each([
  '/elsewhere/2.0.0-new/dist/hyperkit-machine.cjs',
  '/cache/programs/2.0.0-new/dist/other.cjs',
  '/cache/programs/../programs/x/dist/hyperkit-machine.cjs',
  '/cache/programs/dist/hyperkit-machine.cjs',
])('%s is a word like any other', (file) => {
  expect(choose('hyperkit', file)).toMatchObject({ file: `${folders.own}/dist/hyperkit.cjs`, words: [file] });
});
