/** Ways in which Longhorn's engine stops or expels the wrong replica, played against ours. Those of a replica's files have
 * their tests beside the code: `replica/ops/recover.test.ts`, `replica/replica-service.test.ts`. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import t, { type Test } from "tap";
import { AttachedVolume } from "../../engine/attached-volume.js";
import { StreamError } from "../../proto/stream-backend.js";
import { TwinReplica } from "./twin-replica.js";

const VOLUME = "test-vol";
const SIZE = 4 << 20;
const BLOCK = 4096;
const TIMEOUT_MS = 1_000;
const FLOWING = 1 << 20;
const never = () => new Promise<never>(() => undefined);

interface Scene {
  attached: AttachedVolume;
  twins: [TwinReplica, TwinReplica];
  modes: () => string;
}

/** A volume on two replicas. */
async function scene(t: Test): Promise<Scene> {
  const start = (id: string) => new TwinReplica(id, VOLUME, SIZE).start();
  const twins: Scene["twins"] = [await start("r1"), await start("r2")];
  for (const twin of twins) twin.isOpen = true;
  const stop = new AbortController();
  const attached = await AttachedVolume.attach({
    volume: VOLUME,
    size: SIZE,
    replicas: twins.map(({ address }) => address.replace("tcp://", "")),
    engineId: randomUUID(),
    engineBootId: "boot",
    replicaTimeoutMs: TIMEOUT_MS,
    waitMs: 10_000,
    witness: null,
    salvage: null,
    acceptLostWrites: false,
    after: null,
    copier: null,
    onHealth: () => undefined,
    onWait: () => undefined,
    signal: stop.signal,
    log: pino({ level: "silent" }),
  });
  t.teardown(async () => {
    stop.abort();
    await attached.close();
    for (const twin of twins) twin.stop();
  });
  const modes = () =>
    attached.replicas
      .replicas()
      .map(({ state }) => state.mode)
      .join(" ");
  return { attached, twins, modes };
}

/** Writes one block after the other until `stop` is called. */
function writer({ attached }: Scene, offset: number) {
  const end = new AbortController();
  const flow = { writes: 0, stop: () => end.abort() };
  const done = (async () => {
    while (!end.signal.aborted) {
      await attached.volume.write(null, offset, Buffer.alloc(BLOCK, 1 + (flow.writes % 255)));
      flow.writes++;
    }
  })();
  return Object.assign(flow, { done });
}

for (const failing of [0, 1] as const) {
  t.test(`a discard that fails on replica ${failing + 1} alone costs that one, and no other`, async (t) => {
    const { attached, twins, modes } = await scene(t);
    await attached.volume.write(null, 0, Buffer.alloc(4 * BLOCK, 7));
    const bad = twins[failing];
    bad.backend.unmap = () => {
      bad.isOpen = false; // and it is not made equal again at once
      return Promise.reject(new StreamError("IO_ERROR", "operation not supported"));
    };
    await attached.volume.unmap(null, 0, 2 * BLOCK);
    t.equal(modes(), failing === 0 ? "ERR RW" : "RW ERR");
    const read = await attached.volume.read(null, 0, 4 * BLOCK);
    t.ok(read.equals(Buffer.concat([Buffer.alloc(2 * BLOCK), Buffer.alloc(2 * BLOCK, 7)])));
  });
}

t.test("a request that one replica never answers ends, while others flow there", async (t) => {
  const all = await scene(t);
  const { attached, twins, modes } = all;
  const { backend } = twins[1];
  const write = backend.write.bind(backend);
  backend.write = (offset, data) => (offset === 0 ? never() : write(offset, data));
  const flow = writer(all, FLOWING);
  const before = flow.writes;
  await attached.volume.write(null, 0, Buffer.alloc(BLOCK, 9));
  t.equal(modes(), "RW ERR");
  t.ok(flow.writes > before, `${flow.writes - before} writes flowed`);
  flow.stop();
  await flow.done;
  t.ok((await attached.volume.read(null, 0, BLOCK)).equals(Buffer.alloc(BLOCK, 9)));
});

/** A snapshot, or an expansion, during which the second replica hangs where `twins[1].faults` say. */
function snapshot({ attached }: Scene, expandTo = 0) {
  const request = { name: "s1", userCreated: true, created: "2026-05-06T07:08:09Z", labels: {}, expandTo };
  const apply = () => Promise.reject(new Error("unused"));
  return attached.replicas.changeTogether({ apply, snapshot: { request, commitTimeoutMs: TIMEOUT_MS } });
}

/** What hangs until it is released. */
function hanging() {
  let release: () => void = () => undefined;
  const hangs = new Promise<void>((resolve) => (release = resolve));
  return { hangs, release: () => release() };
}

for (const [what, expandTo] of Object.entries({ "a snapshot": 0, "an expansion": 2 * SIZE })) {
  t.test(`a replica that hangs while ${what} is prepared keeps no write waiting`, async (t) => {
    const all = await scene(t);
    const { twins, modes } = all;
    const { hangs, release } = hanging();
    twins[1].faults.set("prepareSnapshot", () => hangs);
    const flow = writer(all, FLOWING);
    const taken = snapshot(all, expandTo);
    while (!twins[1].calls.includes("prepareSnapshot")) await sleep(10);
    const before = flow.writes;
    while (flow.writes < before + 50) await sleep(10);
    release();
    t.strictSame([...(await taken)], []);
    t.equal(modes(), "RW RW");
    flow.stop();
    await flow.done;
  });
}

t.test("a snapshot waits until what was written before is durable, and no write waits with it", async (t) => {
  const all = await scene(t);
  const { twins } = all;
  const { hangs, release } = hanging();
  const { backend } = twins[1];
  const flush = backend.flush.bind(backend);
  const seen = { flush: false, told: false };
  const flow = writer(all, FLOWING);
  backend.flush = async () => {
    seen.flush = true;
    await hangs;
    await flush();
  };
  const taken = snapshot(all).finally(() => (seen.told = true));
  while (!seen.flush) await sleep(10);
  const before = flow.writes;
  while (flow.writes < before + 50) await sleep(10);
  t.notOk(seen.told);
  t.strictSame(twins[1].snapshots, []);
  release();
  t.strictSame([...(await taken)], []);
  flow.stop();
  await flow.done;
});

t.test("a replica that hangs in a snapshot's commit is left behind, and writes go on", async (t) => {
  const all = await scene(t);
  const { twins, modes } = all;
  twins[1].faults.set("commitSnapshot", never);
  const flow = writer(all, FLOWING);
  const failures = await snapshot(all);
  t.strictSame([...failures.keys()], [twins[1].address.replace("tcp://", "")]);
  const before = flow.writes;
  while (flow.writes < before + 50) await sleep(10);
  t.match(modes(), /^RW /);
  t.strictSame(twins[0].snapshots, ["volume-snap-s1.img"]);
  flow.stop();
  await flow.done;
});
