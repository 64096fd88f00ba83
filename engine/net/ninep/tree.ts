/** What the server serves: directories and files that live in memory. Faults are thrown as NinePError. */
export type NinePNode = NinePDirectory | NinePFile;

interface NodeBase {
  readonly name: string;
  /** Identifies the node in its tree, always; never used again for another. */
  readonly qidPath: number;
  /** rwxrwxrwx. */
  readonly permissions: number;
  /** Removes the node, if that is possible; asked through a fid that holds `handle`, when it is open. */
  remove?(handle: NinePHandle | undefined): void;
}

export interface NinePDirectory extends NodeBase {
  readonly kind: 'directory';
  child(name: string): NinePNode | undefined;
  /** What a listing shows. */
  children(): readonly NinePNode[];
  /** `client` stands for the connection that asks. */
  makeDirectory?(name: string, client: object): NinePDirectory;
  /** Asked of the root when a connection has ended, after its open files are closed. */
  clientLeft?(client: object): void;
}

export interface NinePFile extends NodeBase {
  readonly kind: 'file';
  lengthBytes(): number;
  open(): NinePHandle;
}

/** A file that a fid has opened. Everything is only called as the mode of opening and `permissions` allow. */
export interface NinePHandle {
  read(): Uint8Array;
  /** Takes all of the data. Its buffer is the callee's. */
  write?(data: Buffer): Promise<void>;
  /** The fid was clunked or removed, or its connection is lost. */
  close?(): Promise<void>;
}

/** A file whose text never changes. */
export function textFile(name: string, qidPath: number, text: string): NinePFile {
  const bytes = Buffer.from(text);
  return {
    kind: 'file',
    name,
    qidPath,
    permissions: 0o444,
    lengthBytes: () => bytes.length,
    open: () => ({ read: () => bytes }),
  };
}
