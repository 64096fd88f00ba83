import type { BoardEnd } from './running-board';

/** HyperKit's exit status for the way a board ended. */
export function exitStatus({ kind }: BoardEnd): number {
  switch (kind) {
    case 'power-off':
    case 'halted':
      return 0;
    case 'reset':
      return 2;
    case 'triple-fault':
      return 3;
    case 'killed':
    case 'failed':
      return 1;
  }
}
