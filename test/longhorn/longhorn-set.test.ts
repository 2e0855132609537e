/** A controller given replicas of Longhorn's own: which it takes, and how others are rebuilt from them and from ours. */
import t from "tap";
import { ReplicaMode } from "../../proto/longhorn.js";
import { CALL, Rig, SIZE } from "./rig.js";

const BLOCK = 4096;
type Kind = "ours" | "longhorn";

t.test(
  "Longhorn's are not started without one of ours, nor with what cannot be asked which it is",
  async (t) => {
    const rig = new Rig(t);
    const foreign = await rig.addTwin(SIZE, true);
    const ours = await rig.addTwin();
    await rig.serve();
    ours.isOpen = true;
    await t.rejects(rig.start(), { message: /are not started without/ });
    t.notOk(foreign.isOpen);
    const replicaAddresses = [foreign.address, "tcp://127.0.0.1:1"];
    await t.rejects(rig.calls.volumeStart({ replicaAddresses, size: SIZE, currentSize: SIZE }, CALL), { message: /are not started without/ }); // prettier-ignore
    ours.isOpen = false;
    ours.lastModifyTime = 1_000e9;
    foreign.lastModifyTime = 1_100e9;
    foreign.wasKilled = true;
    await t.rejects(rig.start(), { message: /was written 100 s after the others/ });
  },
);

t.test("a controller takes those with the highest counter, by Longhorn's rules", async (t) => {
  const rig = new Rig(t);
  for (const counter of [5, 7, 7]) (await rig.addTwin(SIZE, true)).revisionCounter = counter;
  await rig.serve();
  await rig.start();
  t.equal(await rig.modes(), "ERR RW RW");
  t.notOk(rig.twins[0]?.isOpen, "the other one is closed again");
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  for (const twin of rig.twins.slice(1)) t.strictSame(twin.snapshots, ["volume-snap-s1.img"]);
});

t.test("without counters those changed last are taken, and the best one to salvage", async (t) => {
  const rig = new Rig(t);
  for (const seconds of [100, 104, 50]) {
    const twin = await rig.addTwin(SIZE, true);
    twin.revisionCounterDisabled = true;
    twin.lastModifyTime = seconds * 1e9;
  }
  await rig.serve({ disableRevisionCounter: true });
  await rig.start();
  t.equal(await rig.modes(), "RW RW ERR");
});

for (const [source, target] of [
  ["longhorn", "ours"],
  ["ours", "longhorn"],
] as [Kind, Kind][]) {
  t.test(`a replica is rebuilt: ${target} from ${source}`, async (t) => {
    const rig = new Rig(t);
    const first = await rig.addTwin(SIZE, source === "longhorn");
    await rig.serve();
    await rig.start();
    first.backend.content.fill(7, BLOCK, 3 * BLOCK);
    const added = await rig.addTwin(SIZE, target === "longhorn");
    const { address } = added;
    await rig.calls.controllerReplicaCreate({ address, snapshotRequired: true, mode: ReplicaMode.WO }, CALL);
    t.equal(await rig.modes(), "RW WO");
    await rig.calls.replicaPrepareRebuild({ address }, CALL);
    added.syncFrom(first);
    await rig.calls.replicaVerifyRebuild({ address }, CALL);
    t.equal(await rig.modes(), "RW RW");
    t.ok(Buffer.from(added.backend.content).equals(first.backend.content));
    await rig.calls.volumeSnapshot({ name: "after" }, CALL);
    for (const twin of rig.twins) t.ok(twin.snapshots.includes("volume-snap-after.img"));
  });
}
