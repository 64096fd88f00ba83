import { answerByHand } from '../../../../driver/plugin/by-hand';
import { version } from '../../../../package.json';

test('minikube finds a version in the form it parses', () => {
  expect(answerByHand(['version'])).toEqual({
    stream: 'stdout',
    text: `version: v${version}\ncommit: unknown\n`,
    exitCode: 0,
  });
  // minikube insists on 1.11.0 at least, and replaces lower ones by a driver of its own.
  expect(Number(version.split('.')[0])).toBeGreaterThanOrEqual(2);
});

test.each(['-v', '--version'])('%s gives the version on one line', (argument) => {
  expect(answerByHand([argument])).toEqual({
    stream: 'stdout',
    text: `docker-machine-driver-hyperkit v${version}\n`,
    exitCode: 0,
  });
});

test.each(['-h', '--help'])('%s explains', (argument) => {
  const answer = answerByHand([argument]);
  expect(answer).toMatchObject({ stream: 'stdout', exitCode: 0 });
  expect(answer.text).toContain('docker-machine create --driver hyperkit NAME');
});

test.each([[[]], [['serve']], [['version', 'x']], [['Version']], [['--help', 'x']]])('%j is refused', (args) => {
  expect(answerByHand(args)).toEqual({
    stream: 'stderr',
    text: [
      'This is a Docker Machine plugin binary.',
      'Plugin binaries are not intended to be invoked directly.',
      "Please use this plugin through the main 'docker-machine' binary.",
      '(API version: 1)',
      '',
    ].join('\n'),
    exitCode: 1,
  });
});
