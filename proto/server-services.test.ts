import { Client, credentials, Server, ServerCredentials, type ClientDuplexStream } from "@grpc/grpc-js";
import protobuf from "protobufjs";
import "protobufjs/ext/descriptor.js";
import t from "tap";
import { addHealth, Health, SERVING_STATUS } from "./health.js";
import { addReflection, REFLECTION_PATHS, reflectionMethod } from "./reflection.js";
import { unaryClient } from "./unary.js";

async function serve(): Promise<[Server, string]> {
  const server = new Server();
  addHealth(server);
  addReflection(server, ["ptypes.ControllerService", "grpc.health.v1.Health"]);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return [server, `127.0.0.1:${port}`];
}

const options = { timeoutMs: 10_000 };

t.test("health says SERVING for any name, lists itself, and can be watched", async (t) => {
  const [server, address] = await serve();
  const { calls, close } = unaryClient(Health, address);
  for (const service of ["", "ptypes.ControllerService", "anything"])
    t.equal((await calls.check({ service }, options)).status, SERVING_STATUS.SERVING);
  t.strictSame((await calls.list({}, options)).statuses, { "": { status: SERVING_STATUS.SERVING } });
  const client = new Client(address, credentials.createInsecure());
  const watch = client.makeServerStreamRequest(
    "/grpc.health.v1.Health/Watch",
    Health.check.requestSerialize,
    Health.check.responseDeserialize,
    { service: "" },
  );
  const first = await new Promise((resolve) => watch.once("data", resolve));
  t.strictSame(first, { status: SERVING_STATUS.SERVING });
  watch.on("error", () => undefined);
  watch.cancel();
  client.close();
  close();
  server.forceShutdown();
});

type Stream = ClientDuplexStream<object, Record<string, unknown>>;

function ask(stream: Stream, question: object): Promise<Record<string, unknown>> {
  stream.write(question);
  return new Promise((resolve, reject) => {
    stream.once("data", resolve);
    stream.once("error", reject);
  });
}

for (const path of REFLECTION_PATHS) {
  t.test(`a client learns from ${path.split("/")[1] ?? ""} how to call a service`, async (t) => {
    const [server, address] = await serve();
    const client = new Client(address, credentials.createInsecure());
    const { requestSerialize, responseDeserialize } = reflectionMethod(path);
    const stream = client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
    ) as unknown as Stream;
    const listed = await ask(stream, { listServices: "" });
    t.strictSame(listed["listServicesResponse"], {
      service: [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        "ptypes.ControllerService",
      ].map((name) => ({ name })),
    });
    for (const symbol of [
      "ptypes.ControllerService",
      "ptypes.ControllerService.VolumeGet",
      "ptypes.Volume",
    ]) {
      const found = await ask(stream, { fileContainingSymbol: symbol });
      const { fileDescriptorProto } = found["fileDescriptorResponse"] as {
        fileDescriptorProto: Uint8Array[];
      };
      const root = rootOf(fileDescriptorProto);
      root.resolveAll(); // nothing that it names is missing
      const service = root.lookupService("ptypes.ControllerService");
      t.equal(service.methods["VolumeSnapshot"]?.requestType, ".ptypes.VolumeSnapshotRequest");
      t.equal(service.methods["VolumeGet"]?.requestType, ".google.protobuf.Empty");
      t.equal(root.lookupType("ptypes.Replica").fields["disks"]?.id, 10);
    }
    const missing = await ask(stream, { fileContainingSymbol: "no.such.Thing" });
    t.match(missing["errorResponse"], { errorCode: 5, errorMessage: "not found: no.such.Thing" });
    t.match(await ask(stream, { fileByFilename: "constructor" }), { errorResponse: { errorCode: 5 } });
    stream.end();
    await new Promise((resolve) => stream.once("end", resolve));
    client.close();
    server.forceShutdown();
  });
}

function rootOf(files: Uint8Array[]): protobuf.Root {
  // Field 1 of a FileDescriptorSet, again and again.
  const writer = protobuf.Writer.create();
  for (const file of files) writer.uint32(10).bytes(file);
  return protobuf.Root.fromDescriptor(writer.finish());
}
