/** A request that can't be granted; the message is what the peer reads in Rerror. */
export class NinePError extends Error {
  override readonly name = 'NinePError';
}

// The words of VPNKit's server, which clients compare.
export const FID_NOT_FOUND = 'fid not found';
export const FILE_NOT_FOUND = 'file not found';
export const PERMISSION_DENIED = 'permission denied';
