/** ReplicaService as Longhorn's clients see it, over a real port, real files and the real store. */
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { pino } from "pino";
import t from "tap";
import { ReplicaControl, type OpeningRequest } from "../proto/control.js";
import { Health, SERVING_STATUS } from "../proto/health.js";
import type { Identity } from "../proto/identity.js";
import { ReplicaService, type Replica } from "../proto/longhorn.js";
import { unaryClient, type CallOptions } from "../proto/unary.js";
import { HostedReplica } from "./hosted-replica.js";
import { SNAPSHOT_PREPARED_MS_MAX } from "./limits.js";
import type { HostedReplicaOptions } from "./open.js";
import type { OpenReplica } from "./open-replica.js";
import { scratch } from "./scratch.js";
import { serveControl } from "./server.js";
import { hasRotted } from "./checksum-file.js";
import { markRotten } from "./sync/testing.js";

const log = pino({ level: "silent" });
const MIB = 1 << 20;
const SIZE = 4 * MIB;
const CREATED = "2026-05-06T07:08:09Z";
const HEADS = [0, 1, 2, 3, 4, 5].map((number) => `volume-head-00${number}.img`);
const snap = (name: string) => `volume-snap-${name}.img`;

t.setTimeout(300_000);

type Test = { teardown: (fn: () => void | Promise<void>) => void };

interface Client {
  path: string;
  hosted: HostedReplica;
  open: () => OpenReplica;
  call: (
    name: keyof typeof ReplicaService,
    request?: Record<string, unknown>,
    identity?: Identity,
    engine?: OpeningRequest,
  ) => Promise<Replica>;
  operations: (name: string) => Promise<object[]>;
  address: string;
}

async function serve(t: Test, options: Partial<HostedReplicaOptions> = {}): Promise<Client> {
  const path = options.directory ?? join(scratch(t), "replica");
  const hosted = await HostedReplica.open(
    { directory: path, size: null, volume: "vol", replicaId: null, cache: "writeback", backingFile: null, bootIdFile: null, startClosed: true, revisionCounter: true, instanceName: "vol-r-1", ...options }, // prettier-ignore
    log,
  );
  hosted.listen({ host: "127.0.0.1", port: 0 });
  const server = await serveControl(hosted, "127.0.0.1", 0, log);
  t.teardown(async () => {
    await hosted.close();
    server.close();
  });
  const address = `127.0.0.1:${server.port}`;
  const raw = async (
    name: keyof typeof ReplicaService,
    request: Record<string, unknown>,
    identity?: Identity,
    engine?: OpeningRequest,
  ) => {
    const { calls, close } = unaryClient(ReplicaService, address, identity);
    const call = calls[name] as (request: object, options: CallOptions) => Promise<unknown>;
    return call(request, { timeoutMs: 60_000, engine: engine ?? null }).finally(close);
  };
  return {
    path,
    hosted,
    address,
    open: () => {
      const { current } = hosted;
      if (current === null) throw new Error("it is not open");
      return current.replica;
    },
    call: async (name, request = {}, identity, engine) =>
      ((await raw(name, request, identity, engine)) as { replica: Replica }).replica,
    operations: async (name) =>
      ((await raw("diskPrepareRemove", { name })) as { operations: object[] }).operations,
  };
}

async function created(t: Test, options: Partial<HostedReplicaOptions> = {}): Promise<Client> {
  const client = await serve(t, options);
  await client.call("replicaCreate", { size: String(SIZE) });
  await client.call("replicaOpen");
  return client;
}

t.test(
  "what an engine of ours asks for is done for the recorded one alone, and not when it counts on what was lost",
  async (t) => {
    const { call, address, open } = await created(t);
    const { calls, close } = unaryClient(ReplicaControl, address);
    t.teardown(close);
    const { replicaId, opening } = await calls.identify({}, { timeoutMs: 60_000 });
    const record = (generation: number, engineId: string) =>
    calls.record({ volume: "vol", replicaId, basis: null, record: { generation, engineId, members: [replicaId], witnesses: [], absent: [], engineBootId: "", engineState: new Uint8Array(), revisionAtLeast: 0, reverting: "", leased: false, heldByAll: 0 } }, { timeoutMs: 60_000 }); // prettier-ignore
    const first = { engineId: "first", generation: 1, opening };
    const snapshot = { name: "a", created: CREATED, userCreated: true };
    await t.rejects(call("replicaSnapshot", snapshot, {}, first), { code: status.FAILED_PRECONDITION });
    await record(1, "first");
    t.match(await call("replicaSnapshot", snapshot, {}, first), { chain: [HEADS[1], snap("a")] });
    await record(2, "second");
    const changes = [
      ["replicaRevert", { name: snap("a"), created: CREATED }],
      ["replicaSnapshot", { ...snapshot, name: "b" }],
      ["replicaExpand", { size: 2 * SIZE }],
      ["diskMarkAsRemoved", { name: "a" }],
      ["diskRemove", { name: snap("a"), force: true }],
      ["replicaReload", {}],
      ["rebuildingSet", { rebuilding: true }],
      ["revisionCounterSet", { counter: 9 }],
      ["unmapMarkDiskChainRemovedSet", { enabled: true }],
      ["snapshotMaxCountSet", { count: 2 }],
      ["snapshotMaxSizeSet", { size: 2 * SIZE }],
    ] as const;
    for (const [name, request] of changes)
      await t.rejects(call(name, request, {}, first), { code: status.FAILED_PRECONDITION }, name);
    t.match(await call("replicaGet"), {
      chain: [HEADS[1], snap("a")],
      size: String(SIZE),
      rebuilding: false,
      revisionCounter: 0,
      unmapMarkDiskChainRemoved: false,
      remainSnapshots: 249,
    });

    const second = { engineId: "second", generation: 2, opening };
    await call("diskMarkAsRemoved", { name: "a" }, {}, second);
    // Somebody who names no engine is a client of Longhorn's.
    await call("replicaReload");
    await t.rejects(call("replicaClose", {}, {}, first), { code: status.FAILED_PRECONDITION });
    await open().noteLoss();
    await t.rejects(call("replicaSnapshot", { ...snapshot, name: "c" }, {}, { ...second, opening: "an earlier one" }), { code: status.ABORTED }); // prettier-ignore
    const late = { ...second, generation: 1, opening: "" };
    await t.rejects(call("replicaClose", {}, {}, late), { code: status.FAILED_PRECONDITION });
    await call("replicaClose", {}, {}, { ...second, opening: "" });
    t.match(await call("replicaSnapshot", { ...snapshot, name: "c" }), { state: "closed" });
    await t.rejects(call("replicaSnapshot", { ...snapshot, name: "c" }, {}, second), { code: status.UNAVAILABLE }); // prettier-ignore
    await t.rejects(call("replicaOpen", {}, {}, first), { code: status.FAILED_PRECONDITION });
    t.match(await call("replicaGet"), { state: "closed" });
    t.match(await call("replicaOpen", {}, {}, second), { state: "open" });
  },
);

t.test("the life of a replica: initial, closed, open, dirty, rebuilding, deleted", async (t) => {
  const { call, path, open } = await serve(t);
  t.match(await call("replicaGet"), { state: "initial", size: "0", sectorSize: 0, head: "" });
  await t.rejects(call("replicaCreate", { size: "" }), { message: /file does not exist/ });
  await t.rejects(call("replicaOpen"), { message: /file does not exist/ });
  t.match(await call("replicaSnapshot", { name: "a", created: CREATED }), { state: "initial" });
  t.match(await call("replicaCreate", { size: String(SIZE) }), { state: "closed", size: String(SIZE), sectorSize: 512, head: HEADS[0], dirty: false, rebuilding: false, chain: [], disks: {} }); // prettier-ignore
  t.match(await call("replicaCreate", { size: "8388608" }), { state: "closed", size: String(SIZE) });
  t.equal(readFileSync(join(path, "revision.counter")).length, 4096);

  t.match(await call("replicaOpen"), { state: "open", dirty: false, chain: [HEADS[0]], revisionCounter: 0, remainSnapshots: 250 }); // prettier-ignore
  await t.rejects(call("replicaOpen"), { message: /replica is already open/ });
  await open().store.write(0, Buffer.alloc(4096, 1));
  await open().store.unmap(0, 4096);
  t.match(await call("replicaGet"), { state: "dirty", dirty: true, revisionCounter: 2 });
  t.match(await call("rebuildingSet", { rebuilding: true }), { state: "rebuilding", rebuilding: true });
  await t.rejects(call("rebuildingSet", { rebuilding: true }), { message: /cannot set rebuilding=true from state rebuilding/ }); // prettier-ignore
  t.match(await call("replicaClose"), { state: "closed", rebuilding: true, dirty: false });
  await t.rejects(call("rebuildingSet", { rebuilding: false }), { message: /cannot set rebuilding=false from state closed/ }); // prettier-ignore
  t.match(await call("replicaOpen"), { state: "rebuilding", revisionCounter: 2 });
  t.match(await call("replicaReload"), { state: "rebuilding" });
  t.match(await call("rebuildingSet", { rebuilding: false }), { state: "open" });
  t.match(await call("revisionCounterSet", { counter: 41 }), { revisionCounter: 41 });

  await call("replicaDelete").catch((error: unknown) => t.match(error, { message: /undefined/ }));
  t.match(await call("replicaReload"), { state: "initial" });
  t.same(readdirSync(path), ["aurochs.lock"]);
  t.match(await call("replicaCreate", { size: String(SIZE) }), { state: "closed", head: HEADS[0] });
});

t.test(
  "a file that is gone from the live chain makes an error of the replica, which can be deleted",
  async (t) => {
    for (const gone of [HEADS[1] ?? "", snap("a")]) {
      const { call, path, hosted } = await created(t);
      await call("replicaSnapshot", { name: "a", created: CREATED });
      t.match(await call("replicaGet"), { state: "dirty", chain: [HEADS[1], snap("a")] });
      rmSync(join(path, gone));
      // The head is missed without anybody asking.
      if (gone === HEADS[1]) for (let i = 0; hosted.now.state === "open" && i < 300; i++) await sleep(100);
      t.match(await call("replicaGet"), { state: "error", size: String(SIZE) });
      t.match(await call("replicaGet"), { state: "error" }, "until it is closed");
      await call("replicaDelete").catch((error: unknown) => t.match(error, { message: /undefined/ }));
      t.match(await call("replicaReload"), { state: "initial" });
      t.match(await call("replicaCreate", { size: String(SIZE) }), { state: "closed", head: HEADS[0] });
    }
  },
);

t.test("a branch whose file is gone takes nothing from the rest", async (t) => {
  const { call, path } = await created(t);
  for (const name of ["a", "b"]) await call("replicaSnapshot", { name, created: CREATED });
  await call("replicaRevert", { name: snap("a"), created: CREATED });
  rmSync(join(path, snap("b")));
  const { state, disks } = await call("replicaGet");
  t.equal(state, "dirty");
  t.match(disks[snap("b")], { size: "0", parent: snap("a") });
});

t.test("nothing is reverted to a branch that could not be opened afterwards", async (t) => {
  const { call, path, open } = await created(t);
  for (const name of ["a", "b"]) await call("replicaSnapshot", { name, created: CREATED });
  await call("replicaRevert", { name: snap("a"), created: CREATED });
  truncateSync(join(path, snap("b")), 0);
  await t.rejects(call("replicaRevert", { name: snap("b"), created: CREATED }), { message: /has 0 bytes, less than/ }); // prettier-ignore
  await open().store.write(0, Buffer.alloc(MIB, 1));
  const killed = join(scratch(t), "replica");
  cpSync(path, killed, { recursive: true });
  const again = await serve(t, { directory: killed });
  t.match(await again.call("replicaOpen"), { head: HEADS[3] }, "as whoever is killed leaves it");
  t.ok((await again.open().store.read(0, MIB)).equals(Buffer.alloc(MIB, 1)));
});

t.test("what is written after a revert stays, though the old head could not be removed", async (t) => {
  const { call, path, open } = await created(t);
  await open().store.write(0, Buffer.alloc(MIB, 1));
  await call("replicaSnapshot", { name: "a", created: CREATED });
  await open().store.write(0, Buffer.alloc(MIB, 2));
  const strange = join(path, `${HEADS[1]}.checksum`);
  mkdirSync(strange);
  await call("replicaRevert", { name: snap("a"), created: CREATED });
  t.ok((await open().store.read(0, MIB)).equals(Buffer.alloc(MIB, 1)), "it is reverted");
  await open().store.write(MIB, Buffer.alloc(MIB, 3));
  await call("replicaClose");
  rmdirSync(strange);
  t.match(await call("replicaOpen"), { head: HEADS[2] });
  t.ok((await open().store.read(MIB, MIB)).equals(Buffer.alloc(MIB, 3)));
  t.notOk(existsSync(join(path, HEADS[1] ?? "")), "and it is removed at last");
});

for (const how of ["remove", "replace"] as const) {
  t.test(`${how}: a replica whose disk was not removed to the end takes a snapshot, and opens`, async (t) => {
    const { call, path, open } = await withRemoved(t, ["a", "b", "c"], ["b"]);
    const strange = join(path, `${snap("b")}.checksum`);
    mkdirSync(strange);
    if (how === "remove") await call("diskRemove", { name: snap("b") });
    else await call("diskReplace", { target: snap("c"), source: snap("b") });
    const found = await open().store.read(0, SIZE);
    t.ok(existsSync(join(path, snap("b"))));
    await call("replicaSnapshot", { name: "d", created: CREATED });
    const killed = join(scratch(t), "replica");
    cpSync(path, killed, { recursive: true });
    const again = await serve(t, { directory: killed });
    const chain = [HEADS[4], snap("d"), snap("c"), snap("a")];
    t.match(await again.call("replicaOpen"), { chain }, "as whoever is killed leaves it");
    rmdirSync(strange);
    await call("replicaClose");
    t.match(await call("replicaOpen"), { chain });
    t.ok((await open().store.read(0, SIZE)).equals(found));
  });
}

t.test("what of a removed disk is left over goes before the next change", async (t) => {
  const { call, path } = await withRemoved(t, ["a", "b", "c"], ["b"]);
  const strange = join(path, `${snap("b")}.checksum`);
  mkdirSync(strange);
  await call("diskRemove", { name: snap("b") });
  t.ok(existsSync(join(path, snap("b"))));
  rmdirSync(strange);
  await call("replicaSnapshot", { name: "d", created: CREATED });
  t.notOk(existsSync(join(path, snap("b"))));
  t.notOk(existsSync(join(path, "aurochs.intent")));
});

t.test("a file that has the next head's name since the directory was opened is passed over", async (t) => {
  const { call, path } = await created(t);
  writeFileSync(join(path, HEADS[1] ?? ""), "");
  t.match(await call("replicaSnapshot", { name: "a", created: CREATED }), { chain: [HEADS[2], snap("a")] });
  writeFileSync(join(path, `${HEADS[3]}.meta`), "");
  const reverted = await call("replicaRevert", { name: snap("a"), created: CREATED });
  t.match(reverted, { chain: [HEADS[4], snap("a")] });
});

t.test("an old head's name that a failing disk has kept goes before the next change", async (t) => {
  const { call, path } = await created(t);
  const strange = join(path, `${HEADS[0]}.checksum`);
  mkdirSync(strange);
  t.match(await call("replicaSnapshot", { name: "a", created: CREATED }), { chain: [HEADS[1], snap("a")] });
  t.ok(existsSync(join(path, HEADS[0] ?? "")));
  rmdirSync(strange);
  await call("replicaSnapshot", { name: "b", created: CREATED });
  t.notOk(existsSync(join(path, HEADS[0] ?? "")));
});

t.test("a replica that a client has closed is opened by ReplicaOpen alone", async (t) => {
  const { call, address } = await created(t);
  const { calls, close } = unaryClient(ReplicaControl, address);
  t.teardown(close);
  const identify = () => calls.identify({}, { timeoutMs: 60_000 });
  t.match(await identify(), { size: SIZE });
  await call("replicaClose");
  await t.rejects(identify(), { code: status.UNAVAILABLE, message: /closed by ReplicaClose/ });
  t.match(await call("replicaGet"), { state: "closed" });
  await call("replicaOpen");
  t.match(await identify(), { size: SIZE });
});

t.test("a replica that was only started is opened by an engine that asks for it", async (t) => {
  const { address, hosted } = await serve(t, { size: SIZE });
  t.equal(hosted.now.state, "closed");
  const { calls, close } = unaryClient(ReplicaControl, address);
  t.teardown(close);
  t.match(await calls.identify({}, { timeoutMs: 60_000 }), { size: SIZE });
});

t.test("calls that are meant for somebody else are refused", async (t) => {
  const { call, address } = await serve(t);
  const refused = (message: RegExp) => ({ code: status.FAILED_PRECONDITION, message });
  await t.rejects(call("replicaGet", {}, { volumeName: "other" }), refused(/incorrect volume name other; check replica address/)); // prettier-ignore
  await t.rejects(call("replicaGet", {}, { volumeName: "vol", instanceName: "x" }), refused(/incorrect instance name x; check replica address/)); // prettier-ignore
  t.match(await call("replicaGet", {}, { volumeName: "vol", instanceName: "vol-r-1" }), { state: "initial" });
  const { calls, close } = unaryClient(Health, address);
  t.equal((await calls.check({ service: "" }, { timeoutMs: 10_000 })).status, SERVING_STATUS.SERVING);
  close();
});

t.test("snapshots, branches and removal, as Longhorn's own test of its replica", async (t) => {
  const { call, path, open, operations } = await created(t);
  await t.rejects(call("replicaSnapshot", { name: "", created: CREATED }), { code: status.UNKNOWN, message: /cannot accept empty snapshot name/ }); // prettier-ignore
  await t.rejects(call("replicaSnapshot", { name: "a" }), { message: /need to specific created time/ });
  await open().store.write(0, Buffer.alloc(8192, 1));
  const one = await call("replicaSnapshot", { name: "000", created: CREATED, userCreated: true, labels: { name: "000", key: "value" } }); // prettier-ignore
  t.match(one, { state: "dirty", chain: [HEADS[1], snap("000")], head: HEADS[1], parent: snap("000"), snapshotCountUsage: 1, snapshotCountTotal: 2, remainSnapshots: 249, snapshotSizeUsage: 8192 }); // prettier-ignore
  t.match(one.disks[snap("000")], { parent: "", removed: false, userCreated: true, created: CREATED, size: "8192", labels: { name: "000", key: "value" }, children: { [HEADS[1] ?? ""]: true } }); // prettier-ignore
  await t.rejects(call("replicaSnapshot", { name: "000", created: CREATED }), { message: /snapshot volume-snap-000\.img is already existing/ }); // prettier-ignore
  await open().store.write(0, Buffer.alloc(4096, 2));
  await call("replicaSnapshot", { name: "001", created: CREATED });
  t.same((await call("replicaGet")).chain, [HEADS[2], snap("001"), snap("000")]);

  t.same((await call("replicaRevert", { name: snap("000"), created: CREATED })).chain, [
    HEADS[3],
    snap("000"),
  ]);
  t.same(await open().store.read(0, 4096), Buffer.alloc(4096, 1));
  await open().store.write(4096, Buffer.alloc(4096, 3));
  t.match(await call("replicaSnapshot", { name: "002", created: CREATED }), {
    chain: [HEADS[4], snap("002"), snap("000")],
  });

  await t.rejects(call("replicaSnapshot", { name: "volume-head", created: CREATED }), { message: /"volume-head" cannot be a snapshot's name/ }); // prettier-ignore
  await t.rejects(call("diskMarkAsRemoved", { name: HEADS[4] }), { message: /cannot mark the active differencing disk as removed/ }); // prettier-ignore
  await t.rejects(call("diskRemove", { name: HEADS[4] }), { message: /cannot delete the active differencing disk/ }); // prettier-ignore
  await t.rejects(operations("001"), { message: /disk volume-snap-001\.img hasn't been marked as removed/ });
  t.same(await operations("unknown"), []);
  await call("diskMarkAsRemoved", { name: "unknown" });
  await call("diskMarkAsRemoved", { name: "001" });
  t.same(await operations(snap("001")), [{ action: "remove", source: snap("001"), target: "" }]);
  await t.rejects(call("diskRemove", { name: snap("000") }), { message: /cannot remove snapshot volume-snap-000\.img with 2 children/ }); // prettier-ignore
  t.notOk((await call("diskRemove", { name: snap("001") })).disks[snap("001")]);
  await call("diskMarkAsRemoved", { name: "002" });
  t.same(await operations("002"), [{ action: "prune", source: snap("002"), target: HEADS[4] }]);
  await call("diskMarkAsRemoved", { name: "000" });
  t.same(await operations("000"), [{ action: "coalesce", source: snap("000"), target: snap("002") }, { action: "replace", source: snap("000"), target: snap("002") }]); // prettier-ignore
  await t.rejects(call("replicaRevert", { name: snap("000"), created: CREATED }), {
    message: /already marked as removed/,
  });
  t.same((await call("replicaGet")).chain, [HEADS[4]], "removed ones are not told");
  t.same(await open().store.read(0, 8192), Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(4096, 3)]));
  t.notOk(readdirSync(path).some((name) => name.endsWith(".tmp")));
});

t.test("an expansion is a snapshot of its own, and one that fails is rolled back", async (t) => {
  const { call, path, open, hosted } = await created(t);
  await open().store.write(0, Buffer.alloc(4096, 7));
  const blocked = join(path, "volume-snap-expand-8388608.img.meta.tmp");
  mkdirSync(join(blocked, "in the way"), { recursive: true });
  const request = {
    name: "expand-8388608",
    userCreated: false,
    created: CREATED,
    labels: null,
    size: 2 * SIZE,
  };
  await t.rejects(hosted.current?.chain.prepare(request) ?? Promise.resolve());
  t.ok(existsSync(blocked), "what it did not make stays when it was only prepared");
  const failure = await call("replicaExpand", { size: 2 * SIZE }).catch((error: unknown) => error);
  t.match(failure, { code: status.INTERNAL });
  t.match(JSON.parse((failure as Error).message), { code: "FunctionFailedRollbackSucceeded", message: /expand-8388608/, rollbackMessage: "" }); // prettier-ignore
  t.notOk(existsSync(blocked), "what was in the way is gone");
  t.match(JSON.parse(readFileSync(join(path, "volume.meta"), "utf8")), { Size: SIZE, Head: HEADS[0] });
  const refusal = await call("replicaExpand", { size: MIB }).catch((error: unknown) => error);
  t.same(JSON.parse((refusal as Error).message), { code: "FunctionFailedWithoutRollback", message: "cannot expand replica to a smaller size 1048576", rollbackMessage: "" }); // prettier-ignore

  const grown = await call("replicaExpand", { size: 2 * SIZE });
  t.match(grown, { size: String(2 * SIZE), chain: [HEADS[1], snap("expand-8388608")] });
  t.match(grown.disks[snap("expand-8388608")], {
    userCreated: false,
    labels: { "replica-expansion": "8388608" },
  });
  t.same(
    [HEADS[1] ?? "", snap("expand-8388608")].map((name) => statSync(join(path, name)).size),
    [2 * SIZE, SIZE],
  );
  await open().store.write(2 * SIZE - 4096, Buffer.alloc(4096, 8));
  await call("replicaClose");
  t.match(await call("replicaOpen"), { size: String(2 * SIZE) });
  t.same(await open().store.read(0, 4096), Buffer.alloc(4096, 7));
  t.same(await open().store.read(2 * SIZE - 4096, 4096), Buffer.alloc(4096, 8));
  t.match(
    await call("replicaExpand", { size: 2 * SIZE }),
    { size: String(2 * SIZE) },
    "the same size is fine",
  );
});

t.test("a snapshot holds what was written before it, under writes that do not stop", async (t) => {
  const { call, open } = await created(t);
  const { store } = open();
  let last = 0;
  const writing = { stop: false };
  const writer = (async () => {
    for (let value = 1; !writing.stop; value++) {
      await store.write(0, block(value));
      last = value;
    }
  })();
  for (let taken = 0; taken < 5; taken++) {
    const before = last;
    await call("replicaSnapshot", { name: `s${taken}`, created: CREATED });
    t.ok(last >= before);
  }
  writing.stop = true;
  await writer;
  t.equal((await store.read(0, 4096)).readUInt32LE(), last);
  let newer = last;
  for (let taken = 4; taken >= 0; taken--) {
    await call("replicaRevert", { name: snap(`s${taken}`), created: CREATED });
    const value = (await store.read(0, 4096)).readUInt32LE();
    t.ok(value <= newer, `${value} at s${taken}, ${newer} after it`);
    newer = value;
  }
});

function block(value: number): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.writeUInt32LE(value);
  return bytes;
}

t.test("the limit on the count of snapshots holds", async (t) => {
  const { call } = await created(t, { snapshots: { countMax: 2 } });
  await call("replicaSnapshot", { name: "a", created: CREATED });
  t.match(await call("replicaSnapshot", { name: "b", created: CREATED }), { remainSnapshots: 0 });
  await t.rejects(call("replicaSnapshot", { name: "c", created: CREATED }), {
    message: /too many active disks: 3/,
  });
  t.match(await call("snapshotMaxCountSet", { count: 3 }), { remainSnapshots: 1 });
  await call("replicaSnapshot", { name: "c", created: CREATED });
  t.match(await call("unmapMarkDiskChainRemovedSet", { enabled: true }), { unmapMarkDiskChainRemoved: true });
});

t.test(
  "a discard takes nothing from a kept snapshot, with a removed one behind it, and stays after a reopen",
  async (t) => {
    const { call, open } = await created(t);
    const holds = (value: number) => Buffer.alloc(MIB, value);
    await call("unmapMarkDiskChainRemovedSet", { enabled: false });
    for (const [index, name] of ["removed", "kept"].entries()) {
      await open().store.write(0, holds(index + 1));
      await call("replicaSnapshot", { name, created: CREATED, userCreated: true });
    }
    await call("diskMarkAsRemoved", { name: "removed" });
    await open().store.write(0, holds(3));
    await open().store.unmap(0, MIB);
    for (const reopened of [false, true]) {
      if (reopened) {
        await call("replicaClose");
        await call("replicaOpen");
      }
      t.ok((await open().store.read(0, MIB)).equals(holds(0)), reopened ? "reopened" : "at once");
    }
    t.match((await call("replicaGet")).disks[snap("kept")], { size: String(MIB) });
    await call("replicaRevert", { name: snap("kept"), created: CREATED });
    t.ok((await open().store.read(0, MIB)).equals(holds(2)));
  },
);

t.test(
  "nothing is freed in a snapshot while it is read, though it is marked as removed by then",
  async (t) => {
    const { call, open, hosted, path } = await created(t);
    const first = () => readFileSync(join(path, snap("a"))).subarray(0, MIB);
    await open().store.write(0, Buffer.alloc(MIB, 1));
    await call("replicaSnapshot", { name: "a", created: CREATED, userCreated: true });
    await hosted.whileRead(async () => {
      await call("diskMarkAsRemoved", { name: "a" });
      await open().store.unmap(0, MIB);
      t.ok(first().equals(Buffer.alloc(MIB, 1)), "it holds what it held");
      t.ok((await open().store.read(0, MIB)).equals(Buffer.alloc(MIB)), "which the volume reads no more");
    });
    await open().store.unmap(0, MIB);
    t.ok(first().equals(Buffer.alloc(MIB)), "afterwards it is freed");
  },
);

t.test("a purge merges and frees what is removed, and reads stay the same", async (t) => {
  const { call, open, hosted, path } = await created(t);
  const { store } = open();
  for (const [at, name] of ["a", "b", "c", "d"].entries()) {
    await store.write(at * 4096, Buffer.alloc(8192, at + 1));
    await call("replicaSnapshot", { name, created: CREATED, userCreated: name !== "b" });
  }
  await store.write(3 * 4096, Buffer.alloc(4096, 9));
  const before = await store.read(0, SIZE);
  await call("replicaRevert", { name: snap("b"), created: CREATED }); // a branch: c, d
  await store.write(0, Buffer.alloc(4096, 77));
  await call("replicaSnapshot", { name: "e", created: CREATED, userCreated: true });
  await store.write(0, Buffer.alloc(4096, 78));
  for (const name of ["a", "c", "e"]) await call("diskMarkAsRemoved", { name });
  const head = await store.read(0, SIZE);
  const purge = hosted.current?.purge;
  await purge?.run();
  t.match(purge?.status, { state: "complete", progress: 100, isPurging: false, error: "" });
  const { disks, chain } = await call("replicaGet");
  t.same(Object.keys(disks).sort(), [HEADS[6 - 1], snap("b"), snap("d"), snap("e")].sort().map((name) => (name?.startsWith("volume-head") === true ? chain[0] : name))); // prettier-ignore
  t.match(disks[snap("e")], { removed: true, size: "0" }, "below the head: pruned");
  t.match(disks[snap("b")], { removed: true, parent: "" }, "with two children: it stays");
  t.match(disks[snap("d")], { parent: snap("b") });
  t.ok(head.equals(await store.read(0, SIZE)));
  await call("replicaRevert", { name: snap("d"), created: CREATED });
  const expected = Buffer.from(before);
  expected.fill(4, 3 * 4096, 4 * 4096);
  t.ok(expected.equals(await store.read(0, SIZE)), "the branch reads as before");
  t.notOk(existsSync(join(path, "aurochs.intent")));
});

async function withRemoved(t: Test, names: string[], removed: string[]) {
  const client = await created(t);
  for (const [at, name] of names.entries()) {
    await client.open().store.write(at * 4096, Buffer.alloc(8192, at + 1));
    await client.call("replicaSnapshot", { name, created: CREATED, userCreated: true });
  }
  for (const name of removed) await client.call("diskMarkAsRemoved", { name });
  return client;
}

t.test("a snapshot is removed while the store has merged it and the directory has not", async (t) => {
  const { call, open, hosted } = await withRemoved(t, ["a", "b", "c"], ["b"]);
  const { store } = open();
  const before = await store.read(0, SIZE);
  const merge = store.mergeLayers.bind(store);
  Object.defineProperty(store, "mergeLayers", {
    value: async (...merging: Parameters<typeof merge>) => {
      await merge(...merging);
      await call("diskMarkAsRemoved", { name: "c" });
    },
  });
  const purge = hosted.current?.purge;
  await purge?.run();
  t.match(purge?.status, { state: "complete", error: "" });
  const { disks } = await call("replicaGet");
  t.match(disks[snap("c")], { removed: true, parent: snap("a") });
  t.notOk(disks[snap("b")]);
  t.ok(before.equals(await store.read(0, SIZE)));
});

t.test("a purge that found no room to replace what it merged is finished by the next one", async (t) => {
  const { call, open, hosted, path } = await withRemoved(t, ["a", "b", "c", "d"], ["b", "c"]);
  const expected = await open().store.read(0, SIZE);
  const purge = hosted.current?.purge;
  const obstacle = join(path, "aurochs.intent.tmp");
  mkdirSync(obstacle);
  await purge?.run();
  t.match(purge?.status, { state: "error" });
  await call("diskMarkAsRemoved", { name: "d" });
  await open().store.unmap(4096, 4096);
  expected.fill(0, 4096, 8192);
  rmSync(obstacle, { recursive: true });
  await purge?.run();
  t.match(purge?.status, { state: "complete", error: "" });
  t.same(Object.keys((await call("replicaGet")).disks).sort(), [HEADS[4], snap("a"), snap("d")].sort());
  t.ok(expected.equals(await open().store.read(0, SIZE)));
  await call("replicaClose");
  await call("replicaOpen");
  t.ok(expected.equals(await open().store.read(0, SIZE)));
});

t.test("a purge stops before what has rotted, and that it has is not forgotten", async (t) => {
  const refusal = (name: string) =>
    new RegExp(`snapshot ${name} has rotted on this replica: rebuild it .*, or remove volume-snap-${name}.img.checksum`); // prettier-ignore
  // As what is merged, as what it is merged into, and below the head.
  for (const rotten of ["b", "c", "d"]) {
    const { call, open, hosted, path } = await withRemoved(t, ["a", "b", "c", "d"], []);
    const file = join(path, snap(rotten));
    await markRotten(file);
    for (const name of rotten === "d" ? ["d"] : ["b"]) await call("diskMarkAsRemoved", { name });
    await open().store.unmap(4 * 4096, 4096);
    const expected = await open().store.read(0, SIZE);
    const purge = hosted.current?.purge;
    await purge?.run();
    t.match(purge?.status, { state: "error", error: refusal(rotten) });
    t.ok(await hasRotted(file));
    t.ok(expected.equals(await open().store.read(0, SIZE)));
    rmSync(`${file}.checksum`);
    await purge?.run();
    t.match(purge?.status, { state: "complete", error: "" });
    t.ok(expected.equals(await open().store.read(0, SIZE)));
  }
});

t.test("what is unmapped while a purge in another process copies it does not come back", async (t) => {
  const { call, open, operations, path } = await withRemoved(t, ["a", "b", "c"], ["b", "c"]);
  const [from, to] = [join(path, snap("c")), join(path, snap("b"))];
  t.match(await operations("b"), [{ action: "coalesce", source: snap("b"), target: snap("c") }, { action: "replace" }]); // prettier-ignore
  const copied = readFileSync(from).subarray(8192, 16384);
  await open().store.unmap(8192, 8192);
  const fd = openSync(to, "r+");
  writeSync(fd, copied, 0, copied.length, 8192);
  closeSync(fd);
  await call("diskReplace", { source: snap("b"), target: snap("c") });
  t.ok((await open().store.read(8192, 8192)).equals(Buffer.alloc(8192)));
});

t.test("a purge in another process is at its files also when the volume is reverted meanwhile", async (t) => {
  const { call, open, operations, path } = await withRemoved(t, ["a", "b", "c", "d"], ["b", "c"]);
  await operations("b");
  await call("replicaRevert", { name: snap("d"), created: CREATED });
  await call("diskMarkAsRemoved", { name: "d" });
  const copied = readFileSync(join(path, snap("c"))).subarray(8192, 12288);
  await open().store.unmap(8192, 4096);
  const fd = openSync(join(path, snap("b")), "r+");
  writeSync(fd, copied, 0, copied.length, 8192);
  closeSync(fd);
  await call("diskReplace", { source: snap("b"), target: snap("c") });
  t.ok((await open().store.read(8192, 4096)).equals(Buffer.alloc(4096)));
});

t.test(
  "a replica is neither reverted nor closed while a purge writes to a branch, which ends then",
  async (t) => {
    const { call, open: opened, hosted, path } = await created(t);
    const { store } = opened();
    for (const name of ["a", "b", "c"]) {
      for (const at of [0, MIB]) await store.write(at, Buffer.alloc(4096, name));
      await call("replicaSnapshot", { name, created: CREATED, userCreated: true });
    }
    await call("replicaRevert", { name: snap("a"), created: CREATED });
    await call("diskMarkAsRemoved", { name: "b" });
    const file = await open(join(path, snap("b")));
    const handles = Object.getPrototypeOf(file) as object;
    await file.close();
    const write = Reflect.get(handles, "write") as (...args: unknown[]) => Promise<unknown>;
    let goOn = () => {};
    const gate = new Promise<void>((resolve) => (goOn = resolve));
    let writes = 0;
    t.capture(handles as { write: typeof write }, "write", async function (this: unknown, ...args) {
      if (writes++ === 0) await gate;
      return write.apply(this, args);
    });
    const purge = hosted.current?.purge;
    const purged = purge?.run();
    while (writes === 0) await sleep(1);
    // What were freed in its files from then on would come back.
    const toBranch = { name: snap("c"), created: CREATED };
    await t.rejects(call("replicaRevert", toBranch), { message: /replica is purging snapshots/ });
    let isClosed = false;
    const closing = call("replicaClose").then(() => (isClosed = true));
    await sleep(100);
    t.notOk(isClosed);
    goOn();
    await Promise.all([closing, purged]);
    const folded = readFileSync(join(path, snap("b")));
    t.same(
      [0, MIB].map((at) => folded.toString("latin1", at, at + 1)),
      ["c", "b"],
      "the first part only",
    );
    t.match(purge?.status, { state: "error", error: "the replica was closed" });
  },
);

t.test("a snapshot that is not committed in time is undone in turn", async (t) => {
  const { hosted, path } = await created(t);
  const head = join(path, HEADS[1] ?? "");
  const timers = t.capture(globalThis, "setTimeout", setTimeout);
  const request = { name: "a", created: CREATED, userCreated: true, labels: null, size: null };
  await hosted.run(() => hosted.current?.chain.prepare(request));
  const expired = timers().find(({ args }) => args[1] === SNAPSHOT_PREPARED_MS_MAX)?.args[0];
  timers.restore();
  await hosted.run(async () => {
    expired?.();
    await sleep(100);
    t.ok(existsSync(head), "another change is under way");
  });
  await hosted.run(() => t.notOk(existsSync(head)));
});

t.test("snapshots are taken while a purge is under way, and both come to their end", async (t) => {
  const { call, open, hosted } = await created(t);
  const { store } = open();
  for (let at = 0; at < 6; at++) {
    await store.write(at * 4096, Buffer.alloc(8192, at + 1));
    await call("replicaSnapshot", { name: `s${at}`, created: CREATED, userCreated: true });
  }
  await store.write(0, Buffer.alloc(4096, 9));
  const before = await store.read(0, SIZE);
  for (const name of ["s1", "s3", "s5"]) await call("diskMarkAsRemoved", { name });
  const { purge, chain } = hosted.current ?? {};
  const purged = purge?.run();
  let taken = 0;
  // As an engine takes them: in two parts, between which others have their turns.
  while (purge?.status.isPurging === true) {
    const request = { name: `t${taken++}`, created: CREATED, userCreated: true, labels: null, size: null };
    await hosted.run(() => chain?.prepare(request));
    await sleep(1);
    await hosted.run(async () => (await chain?.commit())?.());
  }
  await purged;
  t.ok(taken > 0, `${taken} snapshots`);
  t.match(purge?.status, { state: "complete", error: "" });
  t.match(hosted.now, { state: "open" });
  t.ok(before.equals(await store.read(0, SIZE)));
});
