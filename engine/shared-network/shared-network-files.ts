import path from 'node:path';

/** Files of a shared network's folder. */
export interface SharedNetworkFiles {
  /** VPNKit's Ethernet protocol: where machines plug in. */
  readonly socket: string;
  readonly log: string;
  /** Which machine, by UUID, has which card and address: it keeps them for as long as the folder is there. */
  readonly addresses: string;
}

export function sharedNetworkFiles(folder: string): SharedNetworkFiles {
  return {
    socket: path.join(folder, 'network.sock'),
    log: path.join(folder, 'network.log'),
    addresses: path.join(folder, 'addresses.json'),
  };
}
