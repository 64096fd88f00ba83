import { create, type DescMessage, type DescMethod, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition } from '@grpc/grpc-js';

/** A message of any type. */
export type AnyMessage = MessageShape<DescMessage>;

/**
 * How grpc-js calls or serves a method of a generated service. Unknown fields are dropped: they come from a newer peer,
 * or from one that wants us to keep its bytes.
 */
export function defineMethod(method: DescMethod): MethodDefinition<AnyMessage, AnyMessage> {
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: encoder(method.input),
    requestDeserialize: decoder(method.input),
    responseSerialize: encoder(method.output),
    responseDeserialize: decoder(method.output),
  };
}

function encoder(schema: DescMessage): (message: AnyMessage) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, create(schema, message));
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function decoder(schema: DescMessage): (bytes: Uint8Array) => AnyMessage {
  return (bytes) => fromBinary(schema, bytes, { readUnknownFields: false });
}
