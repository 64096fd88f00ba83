import { PAGE_BYTES } from '../memory/allocate-memory';
import { HIGH_MEMORY_START } from '../memory/guest-memory';
import { withBootFile } from './boot-file';
import type { LoadedGuest } from './entry-state';
import { ROM_MAX_BYTES } from './layout';

/** Reads a firmware image that ends at 4 GiB; the CPU starts 16 bytes before that. @throws EngineError HK_BOOT_FAILED */
export function loadBootrom(image: string): LoadedGuest {
  return withBootFile(image, 'boot ROM', (file) => {
    const { sizeBytes } = file;
    if (sizeBytes === 0 || sizeBytes > ROM_MAX_BYTES || sizeBytes % PAGE_BYTES !== 0) {
      const why = `it has ${sizeBytes} bytes; it must be a multiple of 4096, and 16 MiB at most`;
      throw file.fault(why, 'name a firmware image that is to be at the end of 4 GiB');
    }
    const bytes = file.readHead(sizeBytes);
    return { entry: { mode: 'reset' }, rom: { guestAddress: HIGH_MEMORY_START - sizeBytes, bytes } };
  });
}
