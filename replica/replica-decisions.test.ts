/** Changes in two parts as a replica makes them, on real files and the real store, when its engine's calls come late, or a second time. */
import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import t from "tap";
import { HostedReplica } from "./hosted-replica.js";
import { ReplicaDecisions } from "./replica-decisions.js";
import { scratch } from "./scratch.js";

const log = pino({ level: "silent" });
const MIB = 1 << 20;
const CREATED = "2026-05-06T07:08:09Z";
const REFUSED = { code: status.FAILED_PRECONDITION };

async function served(t: Parameters<typeof scratch>[0] & { teardown: (fn: () => Promise<void>) => void }) {
  const hosted = await HostedReplica.open(
    { directory: scratch(t), size: 4 * MIB, volume: "vol", replicaId: null, cache: "writeback", backingFile: null, bootIdFile: null, startClosed: false, revisionCounter: false, instanceName: "vol-r-1" }, // prettier-ignore
    log,
  );
  hosted.listen({ host: "127.0.0.1", port: 0 });
  t.teardown(() => hosted.close());
  const decisions = new ReplicaDecisions(hosted, log);
  const { replicaId, opening } = await decisions.identify();
  const take = async (engineId: string, generation: number) => {
    await decisions.record({ volume: "vol", replicaId, basis: null, record: { generation, engineId, members: [replicaId], witnesses: [], absent: [], engineBootId: "", engineState: new Uint8Array(), revisionAtLeast: 0, reverting: "", leased: false, heldByAll: 0 } }); // prettier-ignore
    const named = (change: number) => ({ engineId, generation, opening, change });
    return {
      prepare: (change: number, name: string, expandTo = 0) =>
        decisions.prepareSnapshot({ ...named(change), name, expandTo, userCreated: true, created: CREATED, labels: {} }), // prettier-ignore
      commit: (change: number) => decisions.commitSnapshot(named(change)),
      abandon: (change: number) => decisions.abandonSnapshot(named(change)),
    };
  };
  const snapshots = async () =>
    (await decisions.identify()).chain.slice(1).map((file) => /^volume-snap-(.*)\.img$/.exec(file)?.[1]);
  const size = async () => (await decisions.identify()).size;
  return { take, snapshots, size };
}

t.test("a commit takes what was prepared for it, and nothing else", async (t) => {
  const { take, snapshots } = await served(t);
  const { prepare, commit } = await take("e", 1);
  await prepare(1, "a");
  await commit(1);
  await t.rejects(commit(1), REFUSED, "again");
  await prepare(2, "b");
  await t.rejects(commit(1), { ...REFUSED, message: /change 2 of engine e is prepared here, not 1 of e/ });
  await t.rejects(commit(3), REFUSED, "one that has not come yet");
  await t.rejects(commit(0), REFUSED, "one without a number");
  t.strictSame(await snapshots(), ["a"]);
  await commit(2);
  t.strictSame(await snapshots(), ["b", "a"]);
});

t.test("an abandonment ends what was prepared for it, and nothing else", async (t) => {
  const { take, snapshots } = await served(t);
  const { prepare, commit, abandon } = await take("e", 1);
  await prepare(1, "a");
  await abandon(1);
  await t.rejects(commit(1), REFUSED);
  await t.rejects(abandon(1), REFUSED, "again");
  await prepare(2, "b");
  await t.rejects(abandon(1), REFUSED, "late");
  await commit(2);
  await t.rejects(abandon(2), REFUSED, "after its commit");
  t.strictSame(await snapshots(), ["b"]);
});

t.test("what is over is not prepared again, and what is prepared stays", async (t) => {
  const { take, snapshots } = await served(t);
  const { prepare, commit, abandon } = await take("e", 1);
  await prepare(1, "a");
  await prepare(1, "a");
  await commit(1);
  await t.rejects(prepare(1, "a"), { ...REFUSED, message: /change 1 is over/ });
  await prepare(2, "b");
  await abandon(2);
  await t.rejects(prepare(2, "b"), REFUSED, "after it was abandoned");
  await t.rejects(abandon(3), REFUSED);
  await t.rejects(prepare(3, "c"), REFUSED, "after an abandonment that came first");
  await t.rejects(commit(3), REFUSED);
  await t.rejects(prepare(4, "a"), { message: /exists|already/ }, "one that cannot be");
  await t.rejects(prepare(4, "d"), REFUSED, "after it failed");
  await prepare(6, "e");
  await t.rejects(prepare(5, "d"), REFUSED, "one that was overtaken");
  await prepare(6, "e");
  await commit(6);
  t.strictSame(await snapshots(), ["e", "a"]);
});

t.test("expansions are told apart although they have no names", async (t) => {
  const { take, size } = await served(t);
  const { prepare, commit, abandon } = await take("e", 1);
  await prepare(1, "", 5 * MIB);
  await prepare(2, "", 6 * MIB);
  await t.rejects(commit(1), REFUSED);
  await t.rejects(abandon(1), REFUSED);
  t.equal(await size(), 4 * MIB);
  await commit(2);
  t.equal(await size(), 6 * MIB);
});

t.test("the next engine has numbers of its own, and nothing of the one before", async (t) => {
  const { take, snapshots } = await served(t);
  const first = await take("first", 1);
  await first.prepare(7, "a");
  const second = await take("second", 2);
  await t.rejects(second.commit(7), REFUSED);
  await second.prepare(1, "b");
  const calls = [first.commit(7), first.abandon(7), first.prepare(8, "c")];
  await Promise.all(calls.map((call) => t.rejects(call, REFUSED)));
  await second.commit(1);
  t.strictSame(await snapshots(), ["b"]);
});

t.test("an engine of before, which numbers nothing, is served as it was", async (t) => {
  const { take, snapshots } = await served(t);
  const { prepare, commit, abandon } = await take("e", 1);
  await abandon(0);
  await t.rejects(commit(0), REFUSED);
  await prepare(0, "a");
  await prepare(0, "b");
  await commit(0);
  await prepare(0, "c");
  await abandon(0);
  await t.rejects(commit(0), REFUSED);
  await prepare(0, "d");
  await commit(0);
  t.strictSame(await snapshots(), ["d", "b"]);
});
