/** The sync agent as the replica daemon hosts it. */
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import t from "tap";
import { ReplicaControl } from "../../proto/control.js";
import { ReplicaService, SyncAgentService } from "../../proto/longhorn.js";
import { unaryClient } from "../../proto/unary.js";
import { runReplica, type ReplicaDaemon, type ReplicaOptions } from "../main.js";
import { scratch } from "../scratch.js";
import { imageOf, makeSparse, silent } from "./testing.js";

const CALL = { timeoutMs: 30_000 };
const A = "volume-snap-a.img";

function optionsOf(directory: string, port: number, rateLimit: number | null = null): ReplicaOptions {
  const syncAgent = { portCount: 3, rateLimit, limitsIdle: rateLimit !== null, instanceName: "vol-r" };
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

/** A replica, and calls of all that it serves, for an engine of ours. */
async function served(t: { teardown: (end: () => unknown) => void }, rateLimit: number | null = null) {
  const directory = scratch(t);
  const [port, daemon] = await startAnywhere(directory, rateLimit);
  t.teardown(() => daemon.stop());
  const at = (offset: number) => `127.0.0.1:${port + offset}`;
  const control = unaryClient(ReplicaControl, at(0));
  const replica = unaryClient(ReplicaService, at(0));
  const agent = unaryClient(SyncAgentService, at(2));
  t.teardown(() => [control, replica, agent].forEach(({ close }) => close()));
  const { replicaId } = await control.calls.identify({}, CALL);
  return {
    ...{ directory, address: at(0), replica: replica.calls, agent: agent.calls },
    record: async (generation: number, engineId: string) => {
      const member = {
        generation,
        engineId,
        members: [replicaId],
        witnesses: [],
        absent: [],
        engineBootId: "",
      };
      const rest = {
        engineState: new Uint8Array(),
        revisionAtLeast: 0,
        reverting: "",
        leased: false,
        heldByAll: 0,
      };
      await control.calls.record(
        { volume: "vol", replicaId, basis: null, record: { ...member, ...rest } },
        CALL,
      );
      return { ...CALL, engine: { engineId, generation, opening: "" } };
    },
  };
}

function filesFrom(fromAddress: string, ...names: string[]) {
  const file = (name: string) => ({ fromFileName: name, toFileName: name, actualSize: 1 << 20 });
  return { fromAddress, toHost: "127.0.0.1", syncFileInfoList: names.map(file), fastSync: false };
}

t.test(
  "files of a copy are not replaced for an engine that another one has taken over from, however late it asks",
  async (t) => {
    const [stale, copy] = [await served(t), await served(t)];
    const snapshot = { name: "a", userCreated: true, created: "2026-05-06T07:08:09Z", labels: {} };
    for (const { replica } of [stale, copy]) await replica.replicaSnapshot(snapshot, CALL);
    await makeSparse(join(stale.directory, A), 1 << 20, [[65_536, 8_192]]);
    const kept = await imageOf(join(copy.directory, A));
    const files = filesFrom(stale.address, A);
    const first = await copy.record(1, "first");
    const second = await copy.record(2, "second");
    for (const engine of [first, { ...second, engine: { ...second.engine, generation: 1 } }]) {
      const refused = {
        code: status.FAILED_PRECONDITION,
        message: /engine second is recorded with generation 2/,
      };
      await t.rejects(copy.agent.filesSync(files, engine), refused);
      await t.rejects(copy.agent.reset({}, engine), refused);
      await t.rejects(copy.agent.fileRemove({ fileName: A }, engine), refused);
      await t.rejects(copy.agent.fileRename({ oldFileName: A, newFileName: "b" }, engine), refused);
      await t.rejects(copy.agent.snapshotPurge({}, engine), refused);
    }
    t.strictSame(await imageOf(join(copy.directory, A)), kept);
    // The recorded one may, and so may Longhorn's, which name nobody.
    await copy.agent.filesSync(files, second);
    t.strictSame(await imageOf(join(copy.directory, A)), await imageOf(join(stale.directory, A)));
    await copy.agent.filesSync(files, CALL);
  },
);

t.test("what an engine lets be copied ends when another one is recorded meanwhile", async (t) => {
  // Two seconds for a file.
  const [source, target] = [await served(t, 512 << 10), await served(t)];
  const B = "volume-snap-b.img";
  for (const name of [A, B]) await makeSparse(join(source.directory, name), 1 << 20, [[0, 1 << 20]]);
  const first = await target.record(1, "first");
  const copying = target.agent.filesSync(filesFrom(source.address, A, B), first);
  const ended = t.rejects(copying, { code: status.FAILED_PRECONDITION, message: /engine second is recorded here, not first/ }); // prettier-ignore
  while (!existsSync(join(target.directory, `${A}.receiving`))) await sleep(5);
  // What the same engine records does not end it.
  await target.record(2, "first");
  const second = await target.record(3, "second");
  t.match(await target.agent.replicaRebuildStatus({}, second), { isRebuilding: true });
  await ended;
  t.notOk(existsSync(join(target.directory, A)));
  t.match(await target.agent.replicaRebuildStatus({}, second), { isRebuilding: false, state: "error" });
  await target.agent.filesSync(filesFrom(source.address, A, B), second);
  for (const name of [A, B])
    t.strictSame(await imageOf(join(target.directory, name)), await imageOf(join(source.directory, name)));
});

async function startAnywhere(
  directory: string,
  rateLimit: number | null = null,
): Promise<[number, ReplicaDaemon]> {
  for (;;) {
    const port = randomInt(10_000, 30_000);
    try {
      return [port, await runReplica([optionsOf(directory, port, rateLimit)], silent)];
    } catch (error) {
      if (!/listen|EADDRINUSE|address/i.test(String(error))) throw error;
    }
  }
}
