export type RefusalReason =
  | 'uuid-malformed'
  | 'mac-unusable'
  | 'uuid-has-another-ip'
  | 'ip-out-of-range'
  | 'ip-taken'
  | 'no-ip-left';

/** `text` is VPNKit's own wording, for its disconnect message. (A malformed UUID it answers by closing, without one.) */
export interface Refusal {
  readonly admitted: false;
  readonly reason: RefusalReason;
  readonly text: string;
}

/** A guest that is on the network until `leave` is called. */
export interface Admission {
  readonly admitted: true;
  /** The one it came with, in lower case, or one made up for it; undefined for guests known by their MAC only. */
  readonly uuid: string | undefined;
  /** 6 bytes. */
  readonly mac: Uint8Array;
  /** Now. A guest known by its MAC only may get another one by DHCP (it declined this one). */
  readonly ip: number;
  /** The connection is gone. The guest keeps its addresses until they are needed for somebody else. Idempotent. */
  leave(): void;
}

/** VPNKit's handshake. */
export interface ConnectRequest {
  /** 36 characters; none, or all NUL, for a guest without one. */
  readonly uuid?: string | undefined;
  readonly preferredIp?: number | undefined;
}

export interface Client {
  readonly uuid: string | undefined;
  /** 6 bytes. */
  readonly mac: Uint8Array;
  readonly ip: number;
  readonly isConnected: boolean;
}
