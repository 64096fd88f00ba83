import { readIsolinuxConfig } from '../../../../engine/boot/isolinux-config';

it.each([
  [
    'boot2docker 18.09 and later',
    'serial 0 9600\ndefault boot2docker\n\nlabel boot2docker\n\tkernel /boot/vmlinuz\n\tinitrd /boot/initrd.img\n\tappend loglevel=3 console=ttyS0 noembed\n',
    { kernel: '/boot/vmlinuz', initrd: '/boot/initrd.img', commandLine: 'loglevel=3 console=ttyS0 noembed' },
  ],
  [
    'older boot2docker, with arguments behind the kernel',
    'default boot2docker\r\nlabel boot2docker\r\n\tkernel /boot/vmlinuz64 com1=9600,8n1\r\n\tinitrd /boot/initrd.img\r\n\tappend user=docker base\r\n',
    { kernel: '/boot/vmlinuz64', initrd: '/boot/initrd.img', commandLine: 'user=docker base' },
  ],
  [
    'minikube, with the initrd among the arguments',
    'DEFAULT 1\nLABEL 1\n  KERNEL /boot/bzimage\n  APPEND root=/dev/sr0 INITRD=/boot/initrd BOOT_IMAGE=/x noembed\n',
    { kernel: '/boot/bzimage', initrd: '/boot/initrd', commandLine: 'root=/dev/sr0 noembed' },
  ],
  [
    'the default among several',
    'default two\nlabel one\n append first\nlabel two\n append second\n',
    { commandLine: 'second' },
  ],
  [
    'the default of a menu',
    'default vesamenu.c32\nlabel one\n append first\nlabel two\n menu default\n append second\n',
    { commandLine: 'second' },
  ],
  [
    'the first when none is the default',
    'label one\n append first\nlabel two\n append second\n',
    { commandLine: 'first' },
  ],
  ['arguments for all', 'append common\nlabel one\n kernel /k\n', { commandLine: 'common' }],
  ['a dash for none', 'label one\n append -\n', {}],
  ['what is not ASCII', 'append good \u00e4bad\n', { commandLine: 'good' }],
  ['nothing', '', {}],
])('reads %s', (_, text, expected) => {
  expect(readIsolinuxConfig(text)).toEqual(expected);
});
