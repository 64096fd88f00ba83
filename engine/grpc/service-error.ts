import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { anyPack, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { ErrorInfoSchema } from '../../proto/generated/google/rpc/error_details_pb';
import { StatusSchema } from '../../proto/generated/google/rpc/status_pb';
import { ENGINE_FAULTS, type FaultTable } from './fault';

/** Whose reasons those are. */
const ERROR_DOMAIN = 'docker-machine-driver-hyperkit';
/** The trailer that carries a google.rpc.Status in every implementation of gRPC. */
const DETAILS_KEY = 'grpc-status-details-bin';
/** C-core refuses trailers of more than 8 KiB; the message is in them twice, once percent-encoded, once in Base64. */
const MAX_MESSAGE_CHARS = 2_000;

/** An error as the status of a call: message, and its code in a google.rpc.ErrorInfo. */
export function toStatus(error: unknown, faults: FaultTable): StatusObject {
  const { code, message } = readError(error);
  // A protocol that is not ours says which status it wants.
  if (typeof code === 'number') return { code, details: message, metadata: new Metadata() };
  const known = code !== undefined && Object.hasOwn(faults, code);
  const reason = known ? code : 'HK_UNEXPECTED';
  const fault = (known ? faults[code] : undefined) ?? ENGINE_FAULTS.HK_UNEXPECTED;
  const text = shorten(known ? message : `unexpected: ${message}`);
  const info = create(ErrorInfoSchema, { reason, domain: ERROR_DOMAIN, metadata: { mend: fault.mend } });
  const details = create(StatusSchema, {
    code: fault.status,
    message: text,
    details: [anyPack(ErrorInfoSchema, info)],
  });
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(toBinary(StatusSchema, details)));
  return { code: fault.status, details: text, metadata };
}

/** What a client learns of a failed call besides its status; undefined when the server is not one of ours, or gone. */
export function readErrorInfo(error: ServiceError): { readonly reason: string; readonly mend: string } | undefined {
  const [bytes] = error.metadata?.get(DETAILS_KEY) ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    for (const any of fromBinary(StatusSchema, bytes).details) {
      const info = anyUnpack(any, ErrorInfoSchema);
      if (info?.domain === ERROR_DOMAIN) return { reason: info.reason, mend: info.metadata['mend'] ?? '' };
    }
  } catch {
    // Not a Status: the plain status still says something.
  }
  return undefined;
}

function readError(error: unknown): { readonly code: string | number | undefined; readonly message: string } {
  if (typeof error !== 'object' || error === null) return { code: undefined, message: String(error) };
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const isCode = typeof code === 'string' || typeof code === 'number';
  return { code: isCode ? code : undefined, message: String(message) };
}

/** Also makes it encodable: half a surrogate pair can't be. */
function shorten(text: string): string {
  const short = text.length <= MAX_MESSAGE_CHARS ? text : `${text.slice(0, MAX_MESSAGE_CHARS)}… (cut)`;
  return Buffer.from(short).toString();
}
