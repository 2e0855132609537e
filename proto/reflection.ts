/** gRPC server reflection: tells clients which services a server has and what their messages are. */
import type { Server, ServerDuplexStream } from "@grpc/grpc-js";
import { status } from "@grpc/grpc-js";
import { codec } from "./codec.js";
import { grpc } from "./generated/reflection.js";

const generated = grpc.reflection.v1;

interface Request {
  host: string;
  /** at most one of these is set; null: absent */
  fileByFilename?: string;
  fileContainingSymbol?: string;
  fileContainingExtension?: { containingType: string; extensionNumber: number };
  allExtensionNumbersOfType?: string;
  listServices?: string;
}

interface Response {
  validHost: string;
  originalRequest: Request;
  fileDescriptorResponse?: { fileDescriptorProto: Uint8Array[] };
  allExtensionNumbersResponse?: { baseTypeName: string; extensionNumber: number[] };
  listServicesResponse?: { service: { name: string }[] };
  errorResponse?: { errorCode: number; errorMessage: string };
}

const request = codec<Request>(generated.ServerReflectionRequest);
const response = codec<Response>(generated.ServerReflectionResponse);

/** Both versions of the protocol, which differ in nothing else. */
export const REFLECTION_PATHS = [
  "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
  "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
] as const;

export function reflectionMethod(path: string) {
  return {
    path,
    requestStream: true,
    responseStream: true,
    requestSerialize: request.serialize,
    requestDeserialize: request.deserialize,
    responseSerialize: response.serialize,
    responseDeserialize: response.deserialize,
  };
}

type Answer = Omit<Response, "validHost" | "originalRequest">;

/** @param services full names of what the server serves */
export function addReflection(server: Server, services: readonly string[]): void {
  const names = [...services, ...REFLECTION_PATHS.map((path) => path.split("/")[1] ?? "")];
  for (const path of REFLECTION_PATHS) {
    server.addService(
      { serverReflectionInfo: reflectionMethod(path) },
      {
        serverReflectionInfo: (call: ServerDuplexStream<Request, Partial<Response>>) => {
          // One after the other: answers have the order of the questions.
          let last: Promise<unknown> = Promise.resolve();
          call.on("data", (asked: Request) => {
            last = last.then(async () => {
              call.write({ validHost: asked.host, originalRequest: asked, ...(await answer(asked, names)) });
            });
          });
          call.on("end", () => void last.then(() => call.end()));
        },
      },
    );
  }
}

async function answer(asked: Request, services: readonly string[]): Promise<Answer> {
  // Loaded by the first question: hardly any server is ever asked.
  const { FILES, FILE_OF_SYMBOL } = await import("./generated/descriptors.js");
  if (asked.listServices != null)
    return { listServicesResponse: { service: [...services].sort().map((name) => ({ name })) } };
  const symbol = asked.fileContainingSymbol ?? asked.allExtensionNumbersOfType;
  const name =
    asked.fileByFilename ?? (symbol == null ? undefined : FILE_OF_SYMBOL.get(symbol.replace(/^\./, "")));
  const file = name == null ? undefined : FILES.get(name);
  if (name == null || file === undefined) {
    const what = asked.fileByFilename ?? symbol ?? "what was asked for";
    return { errorResponse: { errorCode: status.NOT_FOUND, errorMessage: `not found: ${what}` } };
  }
  if (asked.allExtensionNumbersOfType != null) {
    return {
      allExtensionNumbersResponse: { baseTypeName: asked.allExtensionNumbersOfType, extensionNumber: [] },
    };
  }
  // With all that it imports: a client need not ask again.
  const wanted = [name, ...file.dependencies];
  return {
    fileDescriptorResponse: {
      fileDescriptorProto: wanted.map((one) => Buffer.from(FILES.get(one)?.bytes ?? "", "base64")),
    },
  };
}
