/** The controller's service over replicas in memory. */
import { status } from "@grpc/grpc-js";
import t from "tap";
import { freePorts } from "../../cli/free-ports.js";
import { Initiator } from "../../engine/target/testing/initiator.js";
import { iqnOf } from "../../engine/volume-target.js";
import { ReplicaControl } from "../../proto/control.js";
import { ReplicaMode, ReplicaService } from "../../proto/longhorn.js";
import { RpcError, unaryClient } from "../../proto/unary.js";
import { waitFor } from "../tools/process.js";
import { CALL, Rig, SIZE, VOLUME } from "./rig.js";
import type { Call } from "./twin-replica.js";

const TEST_UNIT_READY = "00";
const READ_CAPACITY = "25";

/** READ(10) of one block. */
function readAt(lba: number): string {
  return `28 00 ${lba.toString(16).padStart(8, "0")} 00 0001`;
}

const NAME = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;

t.test("at a unix socket there is one replica", async (t) => {
  const rig = new Rig(t);
  const refused = { message: /has its data at \/run\/vol\.sock, where one replica can be, not 2/ };
  await rig.addTwin();
  const { address } = await rig.addTwin();
  await rig.serve({ dataSocket: "/run/vol.sock" });
  await t.rejects(rig.start(), refused);
  rig.twins.pop();
  await rig.start();
  t.equal(await rig.modes(), "RW", "one of ours says itself where its data are");
  const added = { address, snapshotRequired: true, mode: ReplicaMode.WO };
  await t.rejects(rig.calls.controllerReplicaCreate(added, CALL), refused);
  t.equal(await rig.modes(), "RW");
});

t.test(
  "a volume waits for its start, is started with closed replicas, shut down, and started again",
  async (t) => {
    const rig = new Rig(t);
    await rig.addTwin();
    await rig.addTwin();
    await rig.serve();
    const empty = await rig.calls.volumeGet({}, CALL);
    t.match(empty, {
      name: VOLUME,
      size: 0,
      replicaCount: 0,
      frontend: "",
      frontendState: "",
      snapshotMaxCount: 250,
    });
    t.match(await rig.start(), { size: SIZE, replicaCount: 2 });
    t.equal(await rig.modes(), "RW RW");
    t.match(await rig.start(), { replicaCount: 2 }, "a second start changes nothing");
    t.equal(rig.twins[0]?.calls.filter((call) => call === "replicaOpen").length, 1);
    t.match(await rig.calls.volumeShutdown({}, CALL), { replicaCount: 0 });
    t.notOk(rig.twins.some(({ isOpen }) => isOpen));
    t.match(await rig.start(), { replicaCount: 2 });
    t.equal(await rig.modes(), "RW RW");
  },
);

for (const salvageRequested of [false, true])
  t.test(
    `a volume that has data does not start on replicas that were never used, salvage requested: ${salvageRequested}`,
    async (t) => {
      const rig = new Rig(t);
      await rig.addTwin();
      await rig.addTwin();
      await rig.serve({ hasData: true, salvageRequested });
      await t.rejects(rig.start(), { message: /the volume has data, and .* nothing that was ever used/ });
      await rig.serve();
      await rig.start();
      await rig.calls.volumeShutdown({}, CALL);
      await rig.serve({ hasData: true, salvageRequested });
      t.match(await rig.start(), { replicaCount: 2 }, "now they were");
    },
  );

t.test("replicas that another engine has taken over are left open to it", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1);
  const [twin] = rig.twins;
  if (twin === undefined) throw new Error("no replica");
  const { calls, close } = unaryClient(ReplicaControl, twin.address.slice("tcp://".length));
  const { volume, replicaId, record } = await calls.identify({}, CALL);
  if (record === null) throw new Error("no engine is recorded");
  const taken = { ...record, generation: record.generation + 1, engineId: "another engine" };
  await calls.record({ volume, replicaId, record: taken, basis: null }, CALL);
  close();
  await t.rejects(rig.calls.volumeShutdown({}, CALL), { message: /engine another engine has taken replica/ });
  t.ok(twin.isOpen);
});

t.test("replicas that cannot be used are listed as ERR, in their place", async (t) => {
  const rig = new Rig(t);
  await rig.addTwin(SIZE * 2);
  await rig.addTwin();
  (await rig.addTwin()).isOpen = true;
  (await rig.addTwin()).revisionCounterDisabled = true;
  await rig.serve();
  await rig.start();
  t.equal(await rig.modes(), "ERR RW ERR ERR");
  t.notOk(rig.twins[0]?.isOpen, "one of another size is closed again");
});

t.test("a replica that was not told its volume takes the engine's", async (t) => {
  const rig = new Rig(t);
  for (const twin of [await rig.addTwin(), await rig.addTwin()]) twin.isNamed = false;
  await rig.serve();
  await rig.start();
  t.equal(await rig.modes(), "RW RW");
});

t.test("a start without any usable replica says whether one could not be reached", async (t) => {
  const rig = new Rig(t);
  await rig.serve();
  (await rig.addTwin()).isOpen = true;
  const used = rig.twins[0]?.address ?? "";
  await t.rejects(rig.start(), {
    message: `no available backend due to replica error from the addresses [${used}]`,
  });
  const two = { replicaAddresses: [used, "tcp://127.0.0.1:1"], size: SIZE, currentSize: SIZE };
  await t.rejects(rig.calls.volumeStart(two, CALL), {
    message: /no available backend due to service unavailable/,
  });
  const twice = { ...two, replicaAddresses: [used, used] };
  await t.rejects(rig.calls.volumeStart(twice, CALL), { message: `invalid ReplicaAddress: duplicate replica addresses ${used}` }); // prettier-ignore
  t.match(await rig.calls.volumeGet({}, CALL), { replicaCount: 0 });
});

t.test("a snapshot is taken on all replicas; without a name it gets one", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  t.match(await rig.calls.volumeSnapshot({ name: "s1", labels: { k: "v" } }, CALL), { name: "s1" });
  const { name } = await rig.calls.volumeSnapshot({}, CALL);
  t.match(name, NAME);
  for (const twin of rig.twins)
    t.strictSame(twin.snapshots, ["volume-snap-s1.img", `volume-snap-${name}.img`]);
  const disk = rig.twins[0]?.describe().disks["volume-snap-s1.img"];
  t.match(disk, { userCreated: true, labels: { k: "v" }, created: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/ });
});

t.test("no snapshot has the name by which the head is listed", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1);
  const message = /"volume-head" cannot be a snapshot's name: it stands for the head/;
  await t.rejects(rig.calls.volumeSnapshot({ name: "volume-head" }, CALL), { message });
  t.strictSame(rig.twins[0]?.snapshots, []);
  await rig.calls.volumeSnapshot({ name: "volume-head-1" }, CALL);
  t.strictSame(rig.twins[0]?.snapshots, ["volume-snap-volume-head-1.img"]);
});

t.test("what takes time of a snapshot is done before writes wait for it", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  const parts = () => rig.twins.map(({ calls }) => calls.splice(0).filter((call) => /snapshot/i.test(call)));
  const both = ["prepareSnapshot", "commitSnapshot"];
  t.strictSame(parts(), [both, both]);

  // Where one cannot prepare it, all take it as Longhorn's do.
  rig.twins[1]?.faults.set("prepareSnapshot", () => Promise.reject(new RpcError(status.UNIMPLEMENTED, "no")));
  await rig.calls.volumeSnapshot({ name: "s2" }, CALL);
  const whole = ["prepareSnapshot", "abandonSnapshot", "replicaSnapshot"];
  t.strictSame(parts(), [whole, whole]);
  for (const { snapshots } of rig.twins)
    t.strictSame(snapshots, ["volume-snap-s1.img", "volume-snap-s2.img"]);
});

t.test("a replica that cannot commit what it prepared becomes ERR", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  rig.twins[0]?.faults.set("commitSnapshot", () => Promise.reject(new Error("no space left on device")));
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  t.equal(await rig.modes(), "ERR RW");
  t.strictSame(rig.twins[1]?.snapshots, ["volume-snap-s1.img"]);
});

t.test("a snapshot waits until copies are equal after a crash", async (t) => {
  const rig = new Rig(t);
  const [first, second] = [await rig.addTwin(), await rig.addTwin()];
  await first.backend.write(0, Buffer.alloc(4096, 1));
  await second.backend.write(0, Buffer.alloc(4096, 2));
  first.inherited = Uint8Array.of(1);
  let agree: () => void = () => undefined;
  const agreeing = new Promise<void>((resolve) => (agree = resolve));
  second.faults.set("agreed", () => agreeing);
  await rig.serve();
  await rig.start();
  t.equal(await rig.modes(), "RW WO");
  const taken = rig.calls.volumeSnapshot({ name: "early" }, CALL);
  await waitFor("the second copy to be made equal", CALL.timeoutMs, () =>
    Promise.resolve(second.calls.includes("agreed") ? true : undefined),
  );
  t.notOk(second.calls.includes("prepareSnapshot"));
  agree();
  await taken;
  t.equal(await rig.modes(), "RW RW");
  for (const twin of [first, second]) t.equal((await twin.backend.read(0, 4096))[0], 1);
  t.ok(second.calls.indexOf("agreed") < second.calls.indexOf("commitSnapshot"));
});

t.test("an existing name is refused and fails nobody", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  await t.rejects(rig.calls.volumeSnapshot({ name: "s1" }, CALL), {
    message: /snapshot (.*) is already existing/,
  });
  t.equal(await rig.modes(), "RW RW");
});

t.test("a replica whose snapshot fails becomes ERR; the snapshot is there on the others", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  for (const call of ["prepareSnapshot", "replicaSnapshot"] as const)
    rig.twins[0]?.faults.set(call, () => Promise.reject(new Error("no space left on device")));
  t.match(await rig.calls.volumeSnapshot({ name: "s1" }, CALL), { name: "s1" });
  t.equal(await rig.modes(), "ERR RW");
  t.strictSame(rig.twins[1]?.snapshots, ["volume-snap-s1.img"]);
});

t.test("when it fails on all, all stay, and the failure is told with its code", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  for (const { faults } of rig.twins)
    for (const call of ["prepareSnapshot", "replicaSnapshot"] as const)
      faults.set(call, () => Promise.reject(new RpcError(status.RESOURCE_EXHAUSTED, "no space left on device"))); // prettier-ignore
  await t.rejects(rig.calls.volumeSnapshot({ name: "s1" }, CALL), {
    code: status.RESOURCE_EXHAUSTED,
    message:
      /failed to snapshot replica .* rpc error: code = ResourceExhausted desc = no space left on device/,
  });
  t.equal(await rig.modes(), "RW RW");
});

t.test(
  "a replica that hangs in a snapshot does not stop the volume: it is dropped after its time",
  async (t) => {
    const rig = new Rig(t);
    await rig.volume(2, { replicaTimeoutMs: 1_000 });
    rig.twins[1]?.faults.set("commitSnapshot", () => new Promise(() => undefined));
    t.match(await rig.calls.volumeSnapshot({ name: "s1" }, CALL), { name: "s1" });
    t.equal(await rig.modes(), "RW ERR");
  },
);

t.test("a replica that answers nothing keeps the others from no change", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2, { replicaTimeoutMs: 500 });
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  const hang = () => new Promise<never>(() => undefined);
  const during = (call: Call) => rig.twins[1]?.faults.set(call, hang);
  during("replicaGet");
  const began = performance.now();
  await rig.calls.volumeSnapshotMaxCountSet({ count: 10 }, CALL);
  await rig.calls.volumeRevert({ name: "s1" }, CALL);
  t.equal(await rig.modes(), "RW RW", "whoever does what is asked for is dropped for nothing else");
  during("commitSnapshot");
  t.match(await rig.calls.volumeSnapshot({ name: "s2" }, CALL), { name: "s2" });
  t.ok(performance.now() - began < 10_000, "it was not waited for");
  t.equal(await rig.modes(), "RW ERR");
  rig.twins[0]?.faults.set("replicaGet", hang);
  await t.rejects(rig.calls.volumeSnapshot({ name: "s3" }, CALL), { message: /failed to get replica .* info from remote/ }); // prettier-ignore
});

for (const [call, set] of [
  ["snapshotMaxCountSet", (rig: Rig) => rig.calls.volumeSnapshotMaxCountSet({ count: 10 }, CALL)],
  ["snapshotMaxSizeSet", (rig: Rig) => rig.calls.volumeSnapshotMaxSizeSet({ size: SIZE * 4 }, CALL)],
  ["unmapMarkDiskChainRemovedSet", (rig: Rig) => rig.calls.volumeUnmapMarkSnapChainRemovedSet({ enabled: true }, CALL)], // prettier-ignore
] as const)
  t.test(`a replica that hangs in ${call} is dropped after its time, and the others are told`, async (t) => {
    const rig = new Rig(t);
    await rig.volume(2, { replicaTimeoutMs: 500 });
    const [copy, hung] = rig.twins;
    const hang = () => new Promise<never>(() => undefined);
    hung?.faults.set(call, hang);
    copy?.calls.splice(0);
    await set(rig);
    t.equal(await rig.modes(), "RW ERR");
    t.ok(copy?.calls.includes(call));
    t.match(await rig.calls.volumeSnapshot({ name: "s1" }, CALL), { name: "s1" });
    copy?.faults.set(call, hang);
    await t.rejects(set(rig), { code: status.DEADLINE_EXCEEDED }, "the last copy is not given up for that");
    t.equal(await rig.modes(), "RW ERR");
  });

t.test("a replica that does not know a setting is dropped for nothing", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  rig.twins[1]?.faults.set("snapshotMaxCountSet", () =>
    Promise.reject(new RpcError(status.UNIMPLEMENTED, "unknown method SnapshotMaxCountSet")),
  );
  await t.rejects(rig.calls.volumeSnapshotMaxCountSet({ count: 10 }, CALL), { code: status.UNIMPLEMENTED });
  t.equal(await rig.modes(), "RW RW");
  t.equal(rig.twins[0]?.maxCount, 10);
});

t.test("a replica that is too busy with its rebuild to take a setting is told again", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1, { replicaTimeoutMs: 500 });
  const [copy] = rig.twins;
  const added = await rig.addTwin();
  const { address } = added;
  await rig.calls.controllerReplicaCreate({ address, snapshotRequired: true, mode: ReplicaMode.WO }, CALL);
  added.faults.set("snapshotMaxCountSet", () => new Promise<never>(() => undefined));
  await rig.calls.volumeSnapshotMaxCountSet({ count: 10 }, CALL);
  t.equal(await rig.modes(), "RW WO");
  t.equal(added.maxCount, 250);
  added.faults.clear();
  await rig.calls.replicaPrepareRebuild({ address }, CALL);
  if (copy !== undefined) added.syncFrom(copy);
  await rig.calls.replicaVerifyRebuild({ address }, CALL);
  t.equal(await rig.modes(), "RW RW");
  t.equal(added.maxCount, 10);
});

t.test("copies on a backing file and copies on none are not one volume", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  await rig.calls.volumeShutdown({}, CALL);
  const [first, second] = rig.twins;
  const added = await rig.addTwin();
  if (first === undefined || second === undefined) throw new Error("no replicas");
  [first.backingFile, second.backingFile] = ["/here/image", "/there/image"];
  await rig.start();
  t.equal(await rig.modes(), "RW RW ERR", "wherever each has it");
  await rig.calls.volumeShutdown({}, CALL);
  second.backingFile = "";
  const unlike = `replica ${first.address} has the backing file /here/image, and replica ${second.address} has none`;
  await t.rejects(rig.start(), { message: new RegExp(unlike) });
  for (const twin of [first, second, added]) t.notOk(twin.isOpen);
  first.backingFile = "";
  added.backingFile = "/here/image";
  await rig.start();
  t.equal(await rig.modes(), "RW RW ERR");
});

t.test("limits on snapshots refuse with what is used", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2, { snapshotMaxCount: 2 });
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  await rig.calls.volumeSnapshot({ name: "s2" }, CALL);
  await t.rejects(rig.calls.volumeSnapshot({ name: "s3" }, CALL), {
    message: "snapshot count usage 2 is equal or larger than snapshotMaxCount 2",
  });
  await t.rejects(rig.calls.volumeSnapshotMaxCountSet({ count: 1 }, CALL), {
    message: /cannot set snapshotMaxCount=1/,
  });
  t.match(await rig.calls.volumeSnapshotMaxCountSet({ count: 3 }, CALL), { snapshotMaxCount: 3 });
  t.equal(rig.twins[0]?.maxCount, 3);
  await t.rejects(rig.calls.volumeSnapshotMaxSizeSet({ size: 0 }, CALL), {
    message: /cannot set snapshotMaxSize=0/,
  });
  await rig.calls.volumeSnapshotMaxSizeSet({ size: 2 * 4096 + 100 }, CALL);
  await t.rejects(rig.calls.volumeSnapshot({ name: "s3" }, CALL), {
    message: "snapshot free space 100 is not enough for head file 4096",
  });
});

t.test("a revert needs the snapshot, and the frontend down", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
  rig.twins.forEach((twin) => twin.backend.content.fill(7));
  await t.rejects(rig.calls.volumeRevert({ name: "no" }, CALL), {
    message: /target snapshot no is not found/,
  });
  await rig.calls.volumeFrontendStart({ frontend: "tgt-iscsi" }, CALL);
  await t.rejects(rig.calls.volumeRevert({ name: "s1" }, CALL), { message: /volume frontend enabled, aborting snapshot revert/ }); // prettier-ignore
  await rig.calls.volumeFrontendShutdown({}, CALL);
  await rig.calls.volumeRevert({ name: "s1" }, CALL);
  for (const twin of rig.twins) t.ok(twin.backend.content.every((byte) => byte === 0));
});

t.test(
  "a replica that does not revert is out before anybody can read it, however often that has to be recorded",
  async (t) => {
    const rig = new Rig(t);
    await rig.volume(2);
    await rig.calls.volumeSnapshot({ name: "s1" }, CALL);
    const [first, second] = rig.twins;
    if (first === undefined || second === undefined) throw new Error("no replicas");
    first.faults.set("replicaRevert", () => {
      second.recordsToRefuse = 3;
      return Promise.reject(new Error("input/output error"));
    });
    await rig.calls.volumeRevert({ name: "s1" }, CALL);
    t.equal(second.recordsToRefuse, 0);
    t.equal(await rig.modes(), "ERR RW");
  },
);

t.test("a frontend is started and shut down; another one is refused while it is up", async (t) => {
  const rig = new Rig(t);
  await rig.volume(1);
  const endpoint = `iqn.2019-10.io.longhorn:${VOLUME}`;
  t.match(await rig.calls.volumeFrontendStart({ frontend: "tgt-iscsi" }, CALL), { frontend: "tgt-iscsi", frontendState: "up", endpoint }); // prettier-ignore
  await rig.calls.volumeFrontendStart({ frontend: "tgt-iscsi" }, CALL);
  await t.rejects(rig.calls.volumeFrontendStart({ frontend: "socket" }, CALL), {
    message: "frontend tgt-iscsi is already started, cannot be set as socket",
  });
  t.match(await rig.calls.volumeFrontendShutdown({}, CALL), { frontendState: "down", endpoint: "" });
  await rig.calls.volumeFrontendShutdown({}, CALL);
  await t.rejects(rig.calls.volumeFrontendStart({ frontend: "ublk" }, CALL), {
    message: /unsupported frontend type: ublk/,
  });
});

t.test("an expansion is refused, succeeds, or leaves the volume as it was", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  const ended = async () => {
    for (;;) {
      const volume = await rig.calls.volumeGet({}, CALL);
      if (!volume.isExpanding) return volume;
    }
  };
  await t.rejects(rig.calls.volumeExpand({ size: SIZE + 1 }, CALL), {
    message: /not multiple of volume sector size 4096/,
  });
  await t.rejects(rig.calls.volumeExpand({ size: 4096 }, CALL), {
    message: /cannot be expanded to a smaller size 4096/,
  });
  t.match(await ended(), { size: SIZE, lastExpansionError: /controller failed to start expansion/ });
  await rig.calls.volumeExpand({ size: SIZE }, CALL);
  const failure = JSON.stringify({
    code: "FunctionFailedRollbackSucceeded",
    message: "no",
    rollbackMessage: "",
  });
  for (const twin of rig.twins)
    twin.faults.set("replicaExpand", () => Promise.reject(new RpcError(status.INTERNAL, failure)));
  await rig.calls.volumeExpand({ size: 2 * SIZE }, CALL);
  t.match(await ended(), {
    size: SIZE,
    lastExpansionError:
      /^the expansion failed since all replica expansion failed: .*error: code = FunctionFailedRollbackSucceeded, message = no/,
    lastExpansionFailedAt: /^\d{4}-/,
  });
  t.equal(await rig.modes(), "RW RW");
  rig.twins[1]?.faults.clear();
  await rig.calls.volumeExpand({ size: 2 * SIZE }, CALL);
  t.match(await ended(), {
    size: 2 * SIZE,
    lastExpansionError: /^the expansion succeeded, but some replica/,
  });
  t.equal(await rig.modes(), "ERR RW");
  await rig.calls.volumeSnapshot({ name: "after" }, CALL);
  await rig.calls.volumeExpand({ size: 3 * SIZE }, CALL);
  t.match(await ended(), { size: 3 * SIZE, lastExpansionError: "", lastExpansionFailedAt: "" });
});

t.test("an expansion in whose middle everything ended is finished at the next start", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  await rig.calls.volumeShutdown({}, CALL);
  const [, second] = rig.twins;
  if (second === undefined) throw new Error("there are two");
  const grow = async () => {
    const { calls, close } = unaryClient(ReplicaService, second.address.slice("tcp://".length));
    const size = 2 * second.backend.size;
    await calls.replicaOpen({}, CALL);
    await calls.replicaExpand({ size }, CALL);
    await calls.replicaClose({}, CALL);
    close();
    return size;
  };
  const size = await grow();
  await rig.start(size, SIZE);
  t.match(await rig.calls.volumeGet({}, CALL), { size });
  t.equal(await rig.modes(), "RW RW");
  t.same(rig.twins[0]?.snapshots, second.snapshots);

  const at = { address: rig.twins[0]?.address ?? "", instanceName: "" };
  await rig.calls.replicaUpdate({ address: at, mode: ReplicaMode.ERR }, CALL);
  await rig.calls.volumeShutdown({}, CALL);
  const larger = await grow();
  await rig.start(larger, larger);
  t.equal(
    await rig.modes(),
    "ERR RW",
    "one that is stale does not get a snapshot of the same name and other content",
  );
  t.equal(rig.twins[0]?.backend.size, size);
});

t.test("initiators go on while the volume is expanded, and are told", async (t) => {
  const rig = new Rig(t);
  const [port = 0] = await freePorts([], 1, 1);
  const portal = { host: "127.0.0.1", port };
  await rig.volume(2, { frontend: "tgt-iscsi", portals: [portal] });
  const initiator = await Initiator.connect(portal);
  t.teardown(() => initiator.close());
  await initiator.login({ InitiatorName: "iqn.2014-11.test:io", TargetName: iqnOf(VOLUME) });
  while ((await initiator.command(TEST_UNIT_READY)).status !== 0);
  const last = (2 * SIZE) / 512 - 1;
  t.equal((await initiator.command(readAt(last))).sense, "5/21/0", "past the end");
  await rig.calls.volumeExpand({ size: 2 * SIZE }, CALL);
  await waitFor("the expansion", CALL.timeoutMs, async () =>
    (await rig.calls.volumeGet({}, CALL)).isExpanding ? undefined : true,
  );
  t.match(await rig.calls.volumeGet({}, CALL), {
    size: 2 * SIZE,
    frontendState: "up",
    lastExpansionError: "",
  });
  t.equal((await initiator.command(TEST_UNIT_READY)).sense, "6/2a/9", "capacity data has changed");
  t.equal((await initiator.command(READ_CAPACITY)).data.readUInt32BE(0), last);
  const read = await initiator.command(readAt(last));
  t.equal(read.status, 0);
  t.equal(read.data.length, 512);
});

t.test("replicas are removed and failed, but never the last one that is needed", async (t) => {
  const rig = new Rig(t);
  await rig.volume(3);
  const [first = "", second = "", third = ""] = rig.twins.map(({ address }) => address);
  await rig.calls.replicaDelete({ address: "tcp://nobody:1" }, CALL);
  await rig.calls.replicaDelete({ address: first }, CALL);
  t.equal(await rig.modes(), "RW RW");
  const at = (address: string) => ({ address, instanceName: "" });
  t.match(await rig.calls.replicaUpdate({ address: at(second), mode: ReplicaMode.ERR }, CALL), {
    mode: ReplicaMode.ERR,
  });
  await rig.calls.replicaUpdate({ address: at(second), mode: ReplicaMode.RW }, CALL);
  t.equal(await rig.modes(), "ERR RW", "ERR is final");
  await t.rejects(rig.calls.replicaUpdate({ address: at(third), mode: ReplicaMode.WO }, CALL), { message: "cannot set to mode WO" }); // prettier-ignore
  await t.rejects(rig.calls.replicaUpdate({ address: at(third), mode: ReplicaMode.ERR }, CALL), {
    message: /no other replica/,
  });
  await rig.calls.replicaDelete({ address: second }, CALL);
  await rig.calls.volumeFrontendStart({ frontend: "tgt-iscsi" }, CALL);
  await t.rejects(rig.calls.replicaDelete({ address: third }, CALL), { message: "cannot remove last replica if volume is up" }); // prettier-ignore
  await rig.calls.volumeFrontendShutdown({}, CALL);
  await rig.calls.replicaDelete({ address: third }, CALL);
  t.match(await rig.calls.volumeGet({}, CALL), { replicaCount: 0 });
  await t.rejects(rig.calls.replicaGet({ address: third }, CALL), { code: status.NOT_FOUND });
});

t.test("the flag for unmap is pushed to the replicas; one that refuses it becomes ERR", async (t) => {
  const rig = new Rig(t);
  await rig.volume(2);
  t.match(await rig.calls.volumeUnmapMarkSnapChainRemovedSet({ enabled: true }, CALL), {
    unmapMarkSnapChainRemoved: true,
  });
  t.strictSame(rig.twins.map(({ unmapMark }) => unmapMark), [true, true]); // prettier-ignore
  rig.twins[0]?.faults.set("unmapMarkDiskChainRemovedSet", () => Promise.reject(new Error("no")));
  await rig.calls.volumeUnmapMarkSnapChainRemovedSet({ enabled: false }, CALL);
  t.equal(await rig.modes(), "ERR RW");
});
