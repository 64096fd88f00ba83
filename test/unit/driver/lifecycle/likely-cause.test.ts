import { findLikelyCause } from '../../../../driver/lifecycle/likely-cause';

test.each([
  [
    '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
    'finds no first program',
  ],
  ['Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100', 'finds no first program'],
  ['Kernel panic - not syncing: No working init found.', 'finds no first program'],
  ['[    3.1] Initramfs unpacking failed: write error', 'too little memory'],
  ['[    3.1] Initramfs unpacking failed: junk within compressed archive', 'initrd is damaged'],
  ['[   99.0] Out of memory: Killed process 311 (dockerd)', 'too little memory'],
  ['mkdir: cannot create directory: No space left on device', 'disk is full'],
  ['[    7.7] EXT4-fs error (device vda1): ext4_lookup:1855', 'disk is damaged'],
  ['udhcpc: no lease, failing', 'no network'],
  ['[    0.5] Kernel panic - not syncing: IO-APIC + timer does not work!', 'kernel crashed'],
])('%s', (line, cause) => {
  expect(findLikelyCause(['booting', line, '---[ end ]---'])).toContain(cause);
});

test('a guest that says nothing unusual has no likely cause', () => {
  expect(findLikelyCause(['Linux version 6.12', 'dev login:'])).toBeUndefined();
  expect(findLikelyCause([])).toBeUndefined();
});
