import { Metadata, Server, ServerCredentials, status } from "@grpc/grpc-js";
import t from "tap";
import { checkIdentity, identityMetadata, type Identity, type ServerIdentity } from "./identity.js";
import { ControllerService } from "./longhorn.js";
import { errorText, withContext } from "./rpc-error.js";
import { RpcError, unaryClient, unaryHandlers, type Handlers } from "./unary.js";

const ENGINE: ServerIdentity = { volumeName: "vol", instanceName: "vol-e-0", role: "controller" };
const REPLICA: ServerIdentity = { volumeName: "vol", instanceName: "vol-r-0", role: "replica" };

t.test("a name is compared only when both ends know it", (t) => {
  const rows: [Identity, ServerIdentity, string | null][] = [
    [{}, ENGINE, null],
    [{ volumeName: "vol", instanceName: "vol-e-0" }, ENGINE, null],
    [{ volumeName: "wrong" }, ENGINE, "incorrect volume name wrong; check controller address"],
    [{ instanceName: "wrong" }, ENGINE, "incorrect instance name wrong; check controller address"],
    [{ volumeName: "wrong" }, REPLICA, "incorrect volume name wrong; check replica address"],
    [{ instanceName: "wrong" }, REPLICA, "incorrect instance name wrong; check replica address"],
    [{ volumeName: "wrong", instanceName: "wrong" }, ENGINE, "incorrect volume name wrong; check controller address"],
    [{ volumeName: "wrong" }, { role: "replica" }, null],
    [{ volumeName: "", instanceName: "" }, ENGINE, null],
  ]; // prettier-ignore
  for (const [sent, server, refusal] of rows) {
    const check = () => checkIdentity(identityMetadata(sent), server);
    if (refusal === null) t.doesNotThrow(check);
    else t.throws(check, { code: status.FAILED_PRECONDITION, message: refusal });
  }
  const twice = new Metadata();
  twice.add("volume-name", "wrong");
  twice.add("volume-name", "other");
  t.doesNotThrow(() => checkIdentity(twice, ENGINE));
  t.end();
});

async function serve(handlers: Partial<Handlers<typeof ControllerService>>): Promise<[Server, string]> {
  const server = new Server();
  const missing = () => Promise.reject(new RpcError(status.UNIMPLEMENTED, "not in this test"));
  const all = Object.fromEntries(Object.keys(ControllerService).map((name) => [name, missing]));
  const complete = { ...all, ...handlers } as unknown as Handlers<typeof ControllerService>;
  server.addService(ControllerService, unaryHandlers(ControllerService, complete, ENGINE));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return [server, `127.0.0.1:${port}`];
}

const options = { timeoutMs: 10_000 };

t.test("a call that is meant for another is refused before its handler runs", async (t) => {
  let calls = 0;
  const [server, address] = await serve({
    volumeGet: () => {
      calls += 1;
      return Promise.resolve({ name: "vol" });
    },
  });
  const wrong = unaryClient(ControllerService, address, { volumeName: "wrong" });
  await t.rejects(wrong.calls.volumeGet({}, options), {
    code: status.FAILED_PRECONDITION,
    message: "incorrect volume name wrong; check controller address",
  });
  t.equal(calls, 0);
  const right = unaryClient(ControllerService, address, { volumeName: "vol", instanceName: "vol-e-0" });
  t.equal((await right.calls.volumeGet({}, options)).name, "vol");
  wrong.close();
  right.close();
  server.forceShutdown();
});

t.test("a nested call's code is kept, and each process puts its words in front", async (t) => {
  const [inner, innerAddress] = await serve({});
  const [outer, outerAddress] = await serve({
    volumeStart: async () => {
      const client = unaryClient(ControllerService, innerAddress, { volumeName: "wrong" });
      try {
        return await client.calls.volumeGet({}, options);
      } catch (error) {
        const first = withContext("failed to get replica A info from remote", error);
        throw withContext("cannot start", first);
      } finally {
        client.close();
      }
    },
  });
  const client = unaryClient(ControllerService, outerAddress);
  const error: unknown = await client.calls.volumeStart({}, options).catch((caught: unknown) => caught);
  const text =
    "cannot start: failed to get replica A info from remote: rpc error: code = FailedPrecondition desc = " +
    "incorrect volume name wrong; check controller address";
  t.match(error, { code: status.FAILED_PRECONDITION, message: text });
  t.equal(errorText(error), `rpc error: code = FailedPrecondition desc = ${text}`);
  t.equal(errorText(withContext("plainly", new Error("no space left on device"))), "plainly: no space left on device"); // prettier-ignore
  client.close();
  inner.forceShutdown();
  outer.forceShutdown();
});
