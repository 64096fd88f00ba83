// A kernel and an initrd in a virtual machine: its console here, its power button at Ctrl-C, its plug at the second one.
//
//   node vm-without-docker.js KERNEL INITRD [COMMAND LINE]
import { Engine } from 'docker-machine-driver-hyperkit';

const [kernel, initrd, commandLine] = process.argv.slice(2);
if (kernel === undefined || initrd === undefined) {
  console.error('say KERNEL INITRD [COMMAND LINE]');
  process.exit(2);
}

const vm = await Engine.start({
  kernel,
  initrd,
  commandLine,
  memoryMiB: 512,
  onConsole: (bytes) => process.stdout.write(bytes),
});
console.error(`${vm.backend} runs the machine`);
process.once('SIGINT', () => {
  vm.powerButton().catch(console.error);
  process.once('SIGINT', () => void vm.kill());
});

const end = await vm.exited;
console.error(`the machine ended: ${end.kind}`);
if (end.kind === 'failed') {
  console.error(end.detail);
  process.exitCode = 1;
}
