/** Adding a replica by the controller's calls, over replicas in memory: what is asked of whom, and what is refused. */
import { status } from "@grpc/grpc-js";
import { setTimeout as sleep } from "node:timers/promises";
import t from "tap";
import { ReplicaMode } from "../../proto/longhorn.js";
import { waitFor } from "../tools/process.js";
import { CALL, Rig, SIZE } from "./rig.js";
import type { TwinReplica } from "./twin-replica.js";

const WAIT_MS = 30_000;

const NAME = /^volume-snap-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\.img$/;

/** @returns what is in a volume of two replicas, and a third one that is not part of it yet */
async function withNewcomer(rig: Rig, size = SIZE): Promise<{ first: TwinReplica; added: TwinReplica }> {
  await rig.volume(2);
  const [first] = rig.twins;
  if (first === undefined) throw new Error("no replicas");
  return { first, added: await rig.addTwin(size) };
}

const create = (rig: Rig, { address }: TwinReplica, mode: number = ReplicaMode.WO) =>
  rig.calls.controllerReplicaCreate({ address, snapshotRequired: true, mode }, CALL);

t.test(
  "a replica is written from a common snapshot on, told what to copy, and readable once verified",
  async (t) => {
    const rig = new Rig(t);
    const { first, added } = await withNewcomer(rig);
    await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
    first.backend.content.fill(7, 4096, 8192);
    rig.twins[1]?.backend.content.fill(7, 4096, 8192);
    first.revisionCounter = 22;
    t.match(await create(rig, added), { mode: ReplicaMode.WO, address: { address: added.address } });
    t.equal(await rig.modes(), "RW RW WO");
    const [own = ""] = added.snapshots;
    t.match(own, NAME);
    t.strictSame(first.snapshots, ["volume-snap-s1.img", own], "all have the same one");
    t.match(first.describe().disks[own], { userCreated: false, parent: "volume-snap-s1.img" });
    const snapshots = added.calls.filter((call) => call === "replicaSnapshot").length;
    t.match(await create(rig, added), { mode: ReplicaMode.WO }, "a known one is told as it is");
    t.equal(added.calls.filter((call) => call === "replicaSnapshot").length, snapshots);

    const { syncFileInfoList } = await rig.calls.replicaPrepareRebuild({ address: added.address }, CALL);
    t.strictSame(
      syncFileInfoList.map(({ fromFileName, toFileName, actualSize }) => [
        fromFileName,
        toFileName,
        actualSize,
      ]),
      ["volume-snap-s1.img", own].flatMap((file) => [[file, file, 4096], [`${file}.meta`, `${file}.meta`, 0]]), // prettier-ignore
      "parents before children, without the head",
    );
    added.syncFrom(first);
    t.match(await rig.calls.replicaVerifyRebuild({ address: added.address }, CALL), { mode: ReplicaMode.RW });
    t.equal(await rig.modes(), "RW RW RW");
    t.ok(added.calls.includes("replicaReload"), "loaded by the engine itself");
    t.ok(Buffer.from(added.backend.content).equals(first.backend.content));
    t.equal(added.revisionCounter, 22);
    await rig.calls.replicaVerifyRebuild({ address: added.address }, CALL);
    await rig.calls.volumeSnapshot({ name: "s2" }, CALL);
    t.ok(added.snapshots.includes("volume-snap-s2.img"), "it takes part from now on");
  },
);

function untilModes(rig: Rig, modes: string): Promise<void> {
  return waitFor(`replicas to be ${modes}`, WAIT_MS, async () =>
    (await rig.modes()) === modes ? true : undefined,
  ).then(() => undefined);
}

t.test("what cannot be added is refused, and changes nothing", async (t) => {
  const rig = new Rig(t);
  const { added } = await withNewcomer(rig);
  const other = await rig.addTwin();
  const rejects = async (refused: Promise<unknown>, message: string | RegExp) => {
    await t.rejects(refused, { message });
    t.equal(await rig.modes(), "RW RW");
  };
  await rejects(
    rig.calls.controllerReplicaCreate({ snapshotRequired: true }, CALL),
    "replica address is required",
  );
  await rejects(create(rig, added, ReplicaMode.RW), "a replica can only be created in mode WO");
  added.isOpen = true;
  await rejects(create(rig, added), /replica must be closed, cannot add in state: dirty/);
  added.isOpen = false;
  added.revisionCounterDisabled = true;
  await rejects(create(rig, added), /has its revision counter disabled: true, the engine's: false/);
  added.revisionCounterDisabled = false;
  await rejects(create(rig, await rig.addTwin(2 * SIZE)), new RegExp(`has ${2 * SIZE} bytes, the volume has ${SIZE}`)); // prettier-ignore
  added.faults.set("replicaSnapshot", () => Promise.reject(new Error("no space left on device")));
  await rejects(create(rig, added), /no space left on device/);
  added.faults.clear();
  const snapshots = rig.twins[0]?.snapshots.length ?? 0;
  t.equal(snapshots, 0, "nobody took a snapshot for nothing");
  await rejects(rig.calls.replicaPrepareRebuild({ address: rig.twins[0]?.address ?? "" }, CALL), /invalid mode RW for replica .* to prepare rebuild/); // prettier-ignore
  await t.rejects(rig.calls.replicaPrepareRebuild({ address: added.address }, CALL), {
    code: status.NOT_FOUND,
  });
  await create(rig, added);
  await t.rejects(create(rig, other), { message: "can only have one WO replica at a time" });
  await t.rejects(rig.calls.volumeRevert({ name: "x" }, CALL), { message: /rebuilding in process/ });
  t.equal(await rig.modes(), "RW RW WO");
});

const FLAWS: [name: string, spoil: (added: TwinReplica, first: TwinReplica) => void, reason: RegExp][] = [
  ["whose files were not synced", () => undefined, /its files were not synced/],
  ["whose files are still being synced", (added) => (added.syncState = "in_progress"), /still being synced/],
  ["that lacks a disk", (added) => (added.syncState = "complete"), /volume-snap-s1\.img is missing/],
  [
    "that does not load its files",
    (added, first) => {
      added.syncFrom(first);
      added.faults.set("replicaReload", () => Promise.reject(new Error("input/output error")));
    },
    /input\/output error/,
  ],
];

for (const [name, spoil, reason] of FLAWS) {
  t.test(`a replica ${name} becomes ERR, and can be removed and added again at once`, async (t) => {
    const rig = new Rig(t);
    const { first, added } = await withNewcomer(rig);
    await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
    const { address } = added;
    await create(rig, added);
    await rig.calls.replicaPrepareRebuild({ address }, CALL);
    spoil(added, first);
    await t.rejects(rig.calls.replicaVerifyRebuild({ address }, CALL), { message: reason });
    t.equal(await rig.modes(), "RW RW ERR");
    added.faults.clear();
    added.syncState = "";
    await rig.calls.replicaDelete({ address }, CALL);
    await create(rig, added);
    await rig.calls.replicaPrepareRebuild({ address }, CALL);
    added.syncFrom(first);
    await rig.calls.replicaVerifyRebuild({ address }, CALL);
    t.equal(await rig.modes(), "RW RW RW");
  });
}

t.test("disks that a replica has too much are removed before the copies' come", async (t) => {
  const rig = new Rig(t);
  const { first, added } = await withNewcomer(rig);
  added.isOpen = true;
  added.takeSnapshot("of-another-life");
  added.isOpen = false;
  await create(rig, added);
  t.equal(added.snapshots.length, 2);
  await rig.calls.replicaPrepareRebuild({ address: added.address }, CALL);
  t.strictSame(added.snapshots, first.snapshots);
});

t.test(
  "a replica that is removed while it is rebuilt is let go, and no record says that it was there",
  async (t) => {
    const rig = new Rig(t);
    const { added } = await withNewcomer(rig);
    for (let i = 0; i < 20; i++) {
      await create(rig, added);
      await rig.calls.replicaDelete({ address: added.address }, CALL);
    }
    t.equal(await rig.modes(), "RW RW", "as often as there are slots, and more");
  },
);

t.test("a snapshot does not wait for a rebuild, and is the same on the new replica in the end", async (t) => {
  const rig = new Rig(t);
  const { first, added } = await withNewcomer(rig);
  const { address } = added;
  added.peers.set(first.address.slice("tcp://".length), first);
  first.backend.content.fill(7, 4096, 8192);
  rig.twins[1]?.backend.content.fill(7, 4096, 8192);
  await create(rig, added);
  await rig.calls.volumeSnapshot({ name: "before-files" }, CALL);
  await rig.calls.replicaPrepareRebuild({ address }, CALL);
  added.syncFrom(first);
  await rig.calls.volumeSnapshot({ name: "after-files" }, CALL);
  t.equal(await rig.modes(), "RW RW WO");
  // It holds what was written to it, and not yet what is below.
  t.not(added.digestOf("after-files"), first.digestOf("after-files"));
  // One more at the last moment at which it does not count yet, and of what it was not made equal in.
  added.faults.set("revisionCounterSet", () => {
    added.faults.clear();
    first.backend.content.fill(8, 8192, 12288);
    rig.twins[1]?.backend.content.fill(8, 8192, 12288);
    added.faults.set("identify", async () => {
      added.faults.clear();
      await rig.calls.volumeSnapshot({ name: "at-the-end" }, CALL);
      t.equal(await rig.modes(), "RW RW WO");
    });
    return Promise.resolve();
  });
  await rig.calls.replicaVerifyRebuild({ address }, CALL);
  t.ok(added.snapshots.includes("volume-snap-at-the-end.img"));
  t.equal(await rig.modes(), "RW RW RW");
  t.strictSame(added.snapshots, first.snapshots);
  for (const name of first.snapshots) t.equal(added.digestOf(name), first.digestOf(name), name);
  t.ok(Buffer.from(added.backend.content).equals(first.backend.content));
});

t.test("a new replica that becomes a copy before a snapshot is committed takes it as one", async (t) => {
  const rig = new Rig(t);
  const { first, added } = await withNewcomer(rig);
  const { address } = added;
  await create(rig, added);
  await rig.calls.replicaPrepareRebuild({ address }, CALL);
  added.syncFrom(first);
  added.faults.set("prepareSnapshot", () => untilModes(rig, "RW RW RW"));
  let taken: Promise<unknown> = Promise.resolve();
  added.faults.set("revisionCounterSet", async () => {
    added.faults.delete("revisionCounterSet");
    taken = rig.calls.volumeSnapshot({ name: "s1" }, CALL);
    while (!added.calls.includes("prepareSnapshot")) await sleep(1);
  });
  await rig.calls.replicaVerifyRebuild({ address }, CALL);
  await taken;
  t.equal(await rig.modes(), "RW RW RW");
  t.equal(added.calls.filter((call) => call === "commitSnapshot").length, 1);
  t.ok(added.snapshots.includes("volume-snap-s1.img"));
  t.strictSame(added.snapshots, first.snapshots);
  for (const name of first.snapshots) t.equal(added.digestOf(name), first.digestOf(name), name);
});

t.test("a snapshot that a new replica cannot take is taken without it", async (t) => {
  const rig = new Rig(t);
  const { added } = await withNewcomer(rig);
  await create(rig, added);
  added.faults.set("commitSnapshot", () => Promise.reject(new Error("no space left on device")));
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  t.equal(await rig.modes(), "RW RW ERR");
});

t.test("a snapshot that the copies refuse is not asked of a new replica", async (t) => {
  const rig = new Rig(t);
  const { added } = await withNewcomer(rig);
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  await create(rig, added);
  await t.rejects(rig.calls.volumeSnapshot({ name: "s1" }, CALL), { message: /already existing/ });
  t.equal(await rig.modes(), "RW RW WO");
  t.notOk(added.snapshots.includes("volume-snap-s1.img"));
});

/** A volume whose second replica failed and is being resynced, as far as `reached` at each of the times it gets there. */
async function withReturning(rig: Rig, reached: () => Promise<void>) {
  await rig.volume(2);
  const [first, second] = rig.twins;
  if (first === undefined || second === undefined) throw new Error("two replicas");
  second.peers.set(first.address.slice("tcp://".length), first);
  second.stopData();
  await waitFor("the replica to be dropped", WAIT_MS, async () =>
    (await rig.modes()) === "RW ERR" ? true : undefined,
  );
  await first.backend.write(4096, Buffer.alloc(4096, 7));
  second.faults.set("inheritedRegions", reached);
  await second.startData();
  return { first, second };
}

t.test("a snapshot does not wait for a resync, and is the same on the replica that returned", async (t) => {
  const rig = new Rig(t);
  let snapshots = 0;
  const { first, second } = await withReturning(rig, async () => {
    if (snapshots >= 3) return;
    snapshots += 1;
    t.equal(await rig.modes(), "RW WO");
    await rig.calls.volumeSnapshot({ name: `s${snapshots}` }, CALL);
    t.equal(second.rebuilding, true, "nobody's copy, if it is broken off");
    first.backend.content.fill(snapshots, 8192, 12288);
  });
  await waitFor("the replica to return", WAIT_MS, async () =>
    (await rig.modes()) === "RW RW" && !second.rebuilding ? true : undefined,
  );
  t.equal(snapshots, 3);
  t.strictSame(second.snapshots, first.snapshots);
  for (const name of first.snapshots) t.equal(second.digestOf(name), first.digestOf(name), name);
  t.ok(Buffer.from(second.backend.content).equals(first.backend.content));
});

t.test("a replica that cannot be marked is let go before a snapshot is taken of it", async (t) => {
  const rig = new Rig(t);
  let error: unknown = null;
  const { second } = await withReturning(rig, async () => {
    second.faults.delete("inheritedRegions");
    second.faults.set("rebuildingSet", () => {
      second.faults.clear();
      return Promise.reject(new Error("input/output error"));
    });
    await rig.calls.volumeSnapshot({ name: "s1" }, CALL).catch((err: unknown) => (error = err));
  });
  await waitFor("the replica to be let go", WAIT_MS, async () =>
    (await rig.modes()) === "RW ERR" ? true : undefined,
  );
  t.equal(error, null);
  t.strictSame(second.snapshots, []);
});

for (const [what, answer] of Object.entries({
  "is marked": () => Promise.resolve(),
  "refuses its mark": () => Promise.reject(new Error("input/output error")),
})) {
  t.test(
    `a replica that ${what} for a snapshot when it has become a copy stays one, without the mark`,
    async (t) => {
      const rig = new Rig(t);
      let taken: Promise<unknown> = Promise.resolve();
      const { first, second } = await withReturning(rig, async () => {
        second.faults.delete("inheritedRegions");
        second.faults.set("rebuildingSet", async () => {
          second.faults.clear();
          await untilModes(rig, "RW RW");
          await answer();
        });
        taken = rig.calls.volumeSnapshot({ name: "s1" }, CALL);
        while (!second.calls.includes("rebuildingSet")) await sleep(1);
      });
      await untilModes(rig, "RW RW");
      await taken;
      t.equal(await rig.modes(), "RW RW");
      t.equal(second.rebuilding, false);
      t.strictSame(second.snapshots, first.snapshots);
      t.equal(second.digestOf("s1"), first.digestOf("s1"));
    },
  );
}
