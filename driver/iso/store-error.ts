import { describeWriteFailure, isDiskFull } from '../../engine/storage/write-failure';
import { DriverError } from '../errors';

/** Runs work on a file of the store; what the file system refuses becomes HK_DISK_FULL or HK_STORE_UNWRITABLE. */
export async function guardStore<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DriverError) throw error;
    const code = isDiskFull(error) ? 'HK_DISK_FULL' : 'HK_STORE_UNWRITABLE';
    throw new DriverError(code, `cannot write ${path}: ${describeWriteFailure(error)}`, { cause: error });
  }
}
