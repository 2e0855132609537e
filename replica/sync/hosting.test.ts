/** The sync agent as the replica daemon hosts it. */
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { status } from "@grpc/grpc-js";
import t from "tap";
import { SyncAgentService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { runReplica, type ReplicaOptions } from "../main.js";
import { scratch } from "../scratch.js";
import { imageOf, makeSparse, silent } from "./testing.js";

const CALL = { timeoutMs: 30_000 };
const A = "volume-snap-a.img";

function optionsOf(directory: string, port: number): ReplicaOptions {
  const syncAgent = { portCount: 3, rateLimit: null, limitsIdle: false, instanceName: "vol-r" };
  const files = {
    directory,
    size: 1 << 20,
    cache: "writeback",
    backingFile: null,
    bootIdFile: null,
  } as const;
  return { ...files, host: "127.0.0.1", port, volume: "vol", replicaId: null, syncAgent };
}

t.test(
  "it listens two ports above its replica, its receivers behind that, and knows whose it is",
  async (t) => {
    const directory = scratch(t);
    const [port, daemon] = await startAnywhere(directory);
    t.teardown(() => daemon.stop());
    t.equal(daemon.replicas[0]?.syncAgentPort, port + 2);
    const address = `127.0.0.1:${port + 2}`;
    const own = unaryClient(SyncAgentService, address, { volumeName: "vol", instanceName: "vol-r" });
    const other = unaryClient(SyncAgentService, address, { volumeName: "other" });
    t.teardown(() => [own, other].forEach(({ close }) => close()));
    const ports = [];
    for (const name of ["a", "b", "c"])
      ports.push((await own.calls.receiverLaunch({ toFileName: `volume-snap-${name}.img` }, CALL)).port);
    t.strictSame(ports, [port + 3, port + 4, port + 5]);
    await t.rejects(own.calls.receiverLaunch({ toFileName: "volume-snap-d.img" }, CALL), {
      message: "out of ports",
    });
    await t.rejects(other.calls.snapshotPurgeStatus({}, CALL), {
      code: status.FAILED_PRECONDITION,
      message: "incorrect volume name other; check replica address",
    });
  },
);

t.test("with any ports, files go from one daemon to another", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const daemon = await runReplica([optionsOf(from, 0), optionsOf(to, 0)], silent);
  t.teardown(() => daemon.stop());
  await makeSparse(join(from, A), 1 << 20, [[65_536, 8_192]]);
  const [source, target] = daemon.replicas.map(({ syncAgentPort }) =>
    unaryClient(SyncAgentService, `127.0.0.1:${syncAgentPort ?? 0}`),
  );
  if (source === undefined || target === undefined) throw new Error("both are there");
  const { port } = await target.calls.receiverLaunch({ toFileName: A }, CALL);
  await source.calls.fileSend({ fromFileName: A, host: "127.0.0.1", port }, CALL);
  t.strictSame(await imageOf(join(to, A)), await imageOf(join(from, A)));
  source.close();
  target.close();
});

async function startAnywhere(directory: string) {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    try {
      return [port, await runReplica([optionsOf(directory, port)], silent)] as const;
    } catch (error) {
      if (!/listen|EADDRINUSE|address/i.test(String(error))) throw error;
    }
  }
}
