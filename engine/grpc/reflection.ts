import { type DescFile, type DescMessage, type DescService, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { status } from '@grpc/grpc-js';
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
} from '../../proto/generated/grpc/reflection/v1/reflection_pb';
import { ServerReflection as ServerReflectionV1Alpha } from '../../proto/generated/grpc/reflection/v1alpha/reflection_pb';
import { type DescribedService, describeService } from './handlers';

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

/** Questions of one stream; more are a client that has lost its way. */
const MAX_QUESTIONS = 1_000;

/** gRPC's server reflection over the descriptors that the services were generated with; its two versions are alike. */
export function describeReflection(services: readonly DescService[]): readonly DescribedService[] {
  const index = new DescriptorIndex([...services, ServerReflection, ServerReflectionV1Alpha]);
  const reflection = describeService(ServerReflection, {
    serverReflectionInfo: async (requests, outlet) => {
      const sent = new Set<DescFile>();
      let questions = 0;
      for await (const request of requests) {
        if (++questions > MAX_QUESTIONS) return;
        const messageResponse = index.answer(request.messageRequest, sent);
        outlet.send({ validHost: request.host, originalRequest: request, messageResponse });
        await outlet.drained();
      }
    },
  });
  return [reflection, { descriptor: ServerReflectionV1Alpha, handlers: reflection.handlers }];
}

/** The files of some services and everything they import, by name and by what they define. */
class DescriptorIndex {
  readonly #services: readonly string[];
  readonly #byName = new Map<string, DescFile>();
  readonly #bySymbol = new Map<string, DescFile>();

  constructor(services: readonly DescService[]) {
    this.#services = services.map(({ typeName }) => typeName).sort();
    for (const { file } of services) this.#add(file);
  }

  /** @param sent what the asker has got already, and needs not get again */
  answer(question: ServerReflectionRequest['messageRequest'], sent: Set<DescFile>): Answer {
    switch (question.case) {
      case 'listServices':
        return { case: 'listServicesResponse', value: { service: this.#services.map((name) => ({ name })) } };
      case 'fileByFilename':
        return describeFile(this.#byName.get(question.value), sent, question.value);
      case 'fileContainingSymbol':
        return describeFile(this.#bySymbol.get(question.value), sent, question.value);
      case 'allExtensionNumbersOfType': {
        // Nothing here is extended.
        if (!this.#bySymbol.has(question.value)) return notFound(question.value);
        return { case: 'allExtensionNumbersResponse', value: { baseTypeName: question.value } };
      }
      case 'fileContainingExtension':
        return notFound(`${question.value.containingType} ${question.value.extensionNumber}`);
      case undefined: {
        const errorMessage = 'the request asks nothing';
        return { case: 'errorResponse', value: { errorCode: status.INVALID_ARGUMENT, errorMessage } };
      }
    }
  }

  #add(file: DescFile): void {
    const name = file.proto.name;
    if (this.#byName.has(name)) return;
    this.#byName.set(name, file);
    for (const imported of file.dependencies) this.#add(imported);
    const define = (symbol: string): void => void this.#bySymbol.set(symbol, file);
    const addMessage = (message: DescMessage): void => {
      define(message.typeName);
      for (const field of message.fields) define(`${message.typeName}.${field.name}`);
      for (const { typeName } of message.nestedEnums) define(typeName);
      for (const nested of message.nestedMessages) addMessage(nested);
    };
    for (const message of file.messages) addMessage(message);
    for (const { typeName } of file.enums) define(typeName);
    for (const { typeName, methods } of file.services) {
      define(typeName);
      for (const method of methods) define(`${typeName}.${method.name}`);
    }
  }
}

/** The file that was asked for first, then what it imports. */
function describeFile(file: DescFile | undefined, sent: Set<DescFile>, asked: string): Answer {
  if (file === undefined) return notFound(asked);
  const files = new Set<DescFile>([file]);
  const addImports = ({ dependencies }: DescFile): void => {
    for (const imported of dependencies) {
      if (sent.has(imported) || files.has(imported)) continue;
      files.add(imported);
      addImports(imported);
    }
  };
  addImports(file);
  for (const each of files) sent.add(each);
  const fileDescriptorProto = [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  return { case: 'fileDescriptorResponse', value: { fileDescriptorProto } };
}

function notFound(what: string): Answer {
  return { case: 'errorResponse', value: { errorCode: status.NOT_FOUND, errorMessage: `not found: ${what}` } };
}
