import type { DescMessage, DescMethod } from '@bufbuild/protobuf';
import {
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerDuplexStream,
  type ServerWritableStream,
  status,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { EngineError } from '../errors';
import type { FaultTable } from './fault';
import type { Outlet } from './handlers';
import type { AnyMessage } from './method-definition';
import { toStatus } from './service-error';

/** How a host looks after its calls. */
export interface CallKeeper {
  readonly faults: FaultTable;
  /** Runs `work`, which the host waits for when it closes; `signal` of the host aborts then. */
  run(cancelled: (abort: () => void) => void, work: (signal: AbortSignal) => Promise<void>): void;
  /** A mistake of ours. */
  onFault(error: unknown): void;
}

type StreamingCall = ServerWritableStream<AnyMessage, AnyMessage> | ServerDuplexStream<AnyMessage, AnyMessage>;
type Unary = (request: AnyMessage, signal: AbortSignal) => Promise<AnyMessage>;
type Streaming = (request: unknown, outlet: Outlet<DescMessage>, signal: AbortSignal) => Promise<void>;

/** A handler as grpc-js calls it. */
export function adaptHandler(method: DescMethod, handler: unknown, keeper: CallKeeper): UntypedHandleCall {
  switch (method.methodKind) {
    case 'unary':
      return adaptUnary(handler as Unary, keeper);
    case 'server_streaming':
      return adaptServerStreaming(handler as Streaming, keeper);
    case 'bidi_streaming':
      return adaptBidiStreaming(handler as Streaming, keeper);
    default:
      throw new EngineError('HK_UNEXPECTED', `cannot serve ${method.name}: calls of its kind are not provided for`);
  }
}

function adaptUnary(handler: Unary, keeper: CallKeeper): handleUnaryCall<AnyMessage, AnyMessage> {
  return (call, answer) => {
    keeper.run(
      (abort) => call.once('cancelled', abort),
      async (signal) => {
        try {
          answer(null, await handler(call.request, signal));
        } catch (error) {
          answer(statusOf(error, keeper));
        }
      },
    );
  };
}

function adaptServerStreaming(
  handler: Streaming,
  keeper: CallKeeper,
): handleServerStreamingCall<AnyMessage, AnyMessage> {
  return (call) => runStreaming(call, call.request, handler, keeper);
}

function adaptBidiStreaming(handler: Streaming, keeper: CallKeeper): handleBidiStreamingCall<AnyMessage, AnyMessage> {
  return (call) => {
    // What is wrong with a request has become the call's status already.
    call.on('error', () => undefined);
    // The end of the requests is not the end of the call.
    runStreaming(call, call.iterator({ destroyOnReturn: false }), handler, keeper);
  };
}

function runStreaming(call: StreamingCall, request: unknown, handler: Streaming, keeper: CallKeeper): void {
  const outlet = outletOf(call);
  keeper.run(
    (abort) => call.once('cancelled', abort),
    async (signal) => {
      try {
        await handler(request, outlet, signal);
        call.end();
      } catch (error) {
        call.emit('error', statusOf(error, keeper));
      }
    },
  );
}

function outletOf(call: StreamingCall): Outlet<DescMessage> {
  return {
    send: (message) => !call.cancelled && call.write(message as AnyMessage),
    drained: async () => {
      if (call.cancelled || !call.writableNeedDrain) return;
      await new Promise<void>((resolve) => {
        const done = (): void => {
          call.off('drain', done).off('cancelled', done);
          resolve();
        };
        call.on('drain', done).on('cancelled', done);
      });
    },
  };
}

function statusOf(error: unknown, keeper: CallKeeper): ReturnType<typeof toStatus> {
  const found = toStatus(error, keeper.faults);
  if (found.code === status.INTERNAL) keeper.onFault(error);
  return found;
}
