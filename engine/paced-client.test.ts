import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import t from "tap";
import { EngineMembers } from "../proto/engine-watch.js";
import { isExpired } from "../proto/rpc-error.js";
import { unaryHandlers } from "../proto/unary.js";
import { PacedClient } from "./paced-client.js";

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

t.test(
  "where nobody is the other end any more it is connected anew, and what is under way is not given up",
  async (t) => {
    const [arrived, goOn] = [withResolver(), withResolver()];
    const server = new Server();
    const witnessSet = async ({ address }: { address: string }) => {
      if (address === "slow") arrived.resolve();
      if (address === "slow") await goOn.promise;
      return {};
    };
    server.addService(EngineMembers, unaryHandlers(EngineMembers, { witnessSet }));
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))); // prettier-ignore
    });
    const connections: [Socket, Socket][] = [];
    const between = createServer((from) => {
      const to = connect(port, "127.0.0.1");
      from.pipe(to).pipe(from);
      connections.push([from, to]);
    });
    await new Promise<void>((resolve) => between.listen(0, "127.0.0.1", resolve));
    const client = new PacedClient(EngineMembers, `127.0.0.1:${(between.address() as AddressInfo).port}`);
    t.teardown(() => {
      client.close();
      for (const sockets of connections) for (const socket of sockets) socket.destroy();
      between.close();
      server.forceShutdown();
    });
    const call = (address: string, timeoutMs: number) => client.call((calls) => calls.witnessSet({ address }, { timeoutMs })); // prettier-ignore

    await call("", 10_000);
    const underWay = call("slow", 60_000);
    await arrived.promise;
    const [first] = connections;
    first?.[0].unpipe();
    t.ok(isExpired(await call("", 200).catch((error: unknown) => error)));
    await call("", 10_000);
    t.equal(connections.length, 2);
    if (first !== undefined) first[0].pipe(first[1]);
    goOn.resolve();
    await underWay;
  },
);
