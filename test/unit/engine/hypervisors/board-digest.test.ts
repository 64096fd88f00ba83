import { boardDigest } from '../../../../engine/hypervisors/qemu/board-digest';
import { traitsOf } from '../../../../engine/hypervisors/qemu/suspension-traits';

// Whoever changes what QEMU is told of a guest's devices makes these fail: then LAYOUT in suspension-traits.ts is raised,
// so that a machine that was suspended before isn't resumed on another board, and both are written down anew. Warm images
// need no care.
test('a suspended guest’s layout stands for the board it was saved on', () => {
  const build = { version: '7.2.0' } as Parameters<typeof traitsOf>[0]['build'];
  expect([
    traitsOf({ build, accelerator: 'tcg' }, 'booted', 0)['layout'],
    boardDigest('tcg', 'booted'),
    boardDigest('tcg', 'restored'),
  ]).toEqual(['1', '08c1c0bd69c5a463', '79ff07b7cdcf6c65']);
});

test('boards are told apart', () => {
  const boards = (['kvm', 'tcg'] as const).flatMap((it) => [boardDigest(it, 'booted'), boardDigest(it, 'restored')]);
  expect(new Set(boards).size).toBe(boards.length);
});
