import { Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import t from "tap";
import { ReplicaControl } from "./control.js";
import { engineOf, nameEngine } from "./engine-metadata.js";
import { RpcError, unaryClient, unaryHandlers, type Handlers } from "./unary.js";

async function serve(handlers: Partial<Handlers<typeof ReplicaControl>>): Promise<[Server, string]> {
  const server = new Server();
  const missing = () => Promise.reject(new RpcError(status.UNIMPLEMENTED, "not in this test"));
  const all = {
    identify: missing,
    record: missing,
    inheritedRegions: missing,
    missedRegions: missing,
    agreed: missing,
    release: missing,
    prepareSnapshot: missing,
    commitSnapshot: missing,
    recorded: missing,
    abandonSnapshot: missing,
  };
  server.addService(ReplicaControl, unaryHandlers(ReplicaControl, { ...all, ...handlers }));
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return [server, `127.0.0.1:${port}`];
}

const options = { timeoutMs: 10_000 };

t.test("a call carries the request to the handler and the reply back", async (t) => {
  const [server, address] = await serve({
    identify: () => Promise.resolve({ volume: "vol", size: 2 ** 40 }),
    agreed: ({ engineId, generation }) => {
      t.equal(engineId, "engine");
      t.equal(generation, 12);
      return Promise.resolve({});
    },
  });
  const { calls, close } = unaryClient(ReplicaControl, address);
  const facts = await calls.identify({}, options);
  t.equal(facts.volume, "vol");
  t.equal(facts.size, 2 ** 40);
  t.equal(facts.record, null);
  t.same(await calls.agreed({ engineId: "engine", generation: 12, opening: "" }, options), {});
  close();
  server.forceShutdown();
});

t.test("a handler's RpcError arrives with its code, any other error as UNKNOWN with its text", async (t) => {
  const [server, address] = await serve({
    record: () => Promise.reject(new RpcError(status.FAILED_PRECONDITION, "generation 3 is newer")),
    release: () => Promise.reject(new Error("the disk is gone")),
  });
  const { calls, close } = unaryClient(ReplicaControl, address);
  await t.rejects(calls.record({}, options), {
    code: status.FAILED_PRECONDITION,
    message: "generation 3 is newer",
  });
  await t.rejects(calls.release({}, options), { code: status.UNKNOWN, message: "the disk is gone" });
  close();
  server.forceShutdown();
});

t.test("nobody listening is UNAVAILABLE, and no answer is DEADLINE_EXCEEDED", async (t) => {
  const [server, address] = await serve({ identify: () => new Promise(() => undefined) });
  const first = unaryClient(ReplicaControl, address);
  await t.rejects(first.calls.identify({}, { timeoutMs: 100 }), { code: status.DEADLINE_EXCEEDED });
  first.close();
  server.forceShutdown();
  const second = unaryClient(ReplicaControl, address);
  await t.rejects(second.calls.identify({}, options), { code: status.UNAVAILABLE });
  second.close();
});

t.test("a call names its engine wholly, or none", (t) => {
  const named = (headers: Record<string, string>) => {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
    return () => engineOf(metadata);
  };
  const metadata = new Metadata();
  const engine = { engineId: "engine", generation: 12, opening: "o1" };
  nameEngine(metadata, engine);
  t.same(engineOf(metadata), engine);
  t.equal(named({})(), null);
  t.same(named({ "aurochs-engine-id": "e", "aurochs-generation": "0" })(), { engineId: "e", generation: 0, opening: "" }); // prettier-ignore
  const bad = {
    code: status.INVALID_ARGUMENT,
    message: /^metadata aurochs-(engine-id|generation): ".*" names no engine$/,
  };
  t.throws(named({ "aurochs-generation": "1" }), bad);
  t.throws(named({ "aurochs-opening": "o1" }), bad);
  for (const generation of ["", "one", "-1", "1.5", "1, 2", "9007199254740993"])
    t.throws(named({ "aurochs-engine-id": "e", "aurochs-generation": generation }), bad, generation);
  t.end();
});
