/** Our engine on replicas that serve what Longhorn's do and nothing of ours: alone, and beside ours. */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import t from "tap";
import { AttachedVolume } from "../../engine/attached-volume.js";
import type { Health } from "../../engine/health.js";
import { LonghornLink } from "../../engine/longhorn/longhorn-link.js";
import { scratch } from "../../replica/scratch.js";
import { TYPE } from "./dataconn-server.js";
import { SIZE, VOLUME } from "./rig.js";
import { TwinReplica } from "./twin-replica.js";

const BLOCK = 4096;
const filled = (byte: number, length = BLOCK) => Buffer.alloc(length, byte);

interface World {
  twins: TwinReplica[];
  attached: AttachedVolume;
  healths: Health[];
  states: () => string;
  until: (states: string) => Promise<void>;
}

type Kind = "ours" | "longhorn";
type Test = { teardown: (end: () => void | Promise<void>) => void };

async function twinsOf(t: Test, kinds: Kind[]): Promise<TwinReplica[]> {
  const twins: TwinReplica[] = [];
  for (const [index, kind] of kinds.entries()) {
    const twin = new TwinReplica(`r${index}`, VOLUME, SIZE);
    twin.isLonghorns = kind === "longhorn";
    await twin.start();
    t.teardown(() => twin.stop());
    twins.push(twin);
  }
  return twins;
}

async function attach(t: Test, twins: TwinReplica[], replicaTimeoutMs = 8_000): Promise<World> {
  const clean = new Map(twins.map((twin) => [twin, !twin.wasKilled]));
  for (const twin of twins) twin.isOpen = true;
  const peer = ({ address }: TwinReplica) => address.replace("tcp://", "");
  const healths: Health[] = [];
  const attached = await AttachedVolume.attach({
    volume: VOLUME,
    size: SIZE,
    replicas: twins.filter(({ isLonghorns }) => !isLonghorns).map(peer),
    longhorn: twins
      .filter(({ isLonghorns }) => isLonghorns)
      .map((twin) => new LonghornLink(peer(twin), VOLUME, clean.get(twin) ?? false, twin.dataSocket)),
    ...{ engineId: `engine-${Math.random()}`, engineBootId: "boot", replicaTimeoutMs, waitMs: 1_000 },
    ...{ witness: null, salvage: null, acceptLostWrites: false, after: null, copier: null },
    onHealth: (health) => healths.push(health),
    onWait: () => undefined,
    signal: new AbortController().signal,
    log: pino({ level: "silent" }),
  });
  t.teardown(() => attached.close());
  const states = () => attached.replicas.replicas().map(({ state }) => state.mode).join(" "); // prettier-ignore
  const until = async (wanted: string) => {
    for (const deadline = Date.now() + 30_000; states() !== wanted && Date.now() < deadline;) await sleep(10);
    if (states() !== wanted) throw new Error(`${states()} instead of ${wanted}`);
  };
  return { twins, attached, healths, states, until };
}

const at = (twin: TwinReplica | undefined, offset: number) => twin?.backend.content[offset];

for (const kinds of [
  ["longhorn", "longhorn"],
  ["ours", "longhorn"],
] as Kind[][]) {
  const name = kinds.join(" and ");

  t.test(`${name}: what is written is on both, and read again`, async (t) => {
    const { attached, twins, states } = await attach(t, await twinsOf(t, kinds));
    const { volume } = attached;
    t.equal(states(), "RW RW");
    await volume.write(null, BLOCK, filled(7));
    await volume.writeZeroes(null, BLOCK + 512, 512);
    await volume.unmap(null, 0, 512);
    await volume.flush(null);
    for (let i = 0; i < 4; i++) t.equal((await volume.read(null, BLOCK, 512))[0], 7);
    for (const twin of twins)
      t.strictSame([at(twin, BLOCK), at(twin, BLOCK + 512), at(twin, BLOCK + 1024)], [7, 0, 7]);
    t.ok(await attached.detach(), "an orderly end");
    t.equal(
      new Set(twins.filter(({ isLonghorns }) => isLonghorns).map(({ revisionCounter }) => revisionCounter))
        .size,
      1,
    );
  });

  t.test(`${name}: one whose connection ends is let go, and does not come back by itself`, async (t) => {
    const { attached, twins, until } = await attach(t, await twinsOf(t, kinds));
    const { volume } = attached;
    await volume.write(null, 0, filled(1));
    twins[1]?.longhornData?.cut();
    await volume.write(null, 0, filled(2));
    await until("RW ERR");
    t.equal(at(twins[0], 0), 2);
    t.ok(twins[1]?.rebuilding, "marked, so that nobody takes it for a copy");
    await sleep(500);
    await until("RW ERR");
  });

  t.test(`${name}: an error that it answers, and an answer that is none, let it go`, async (t) => {
    for (const answer of [
      { type: TYPE.ERROR, size: 5, data: Buffer.from("no EIO") },
      { type: 4711, size: 0 },
    ]) {
      const { attached, twins, until } = await attach(t, await twinsOf(t, kinds));
      const [, second] = twins;
      if (second === undefined) throw new Error("no twin");
      second.dataFault = ({ type }) => Promise.resolve(type === TYPE.WRITE ? answer : undefined);
      await attached.volume.write(null, 0, filled(2));
      await until("RW ERR");
      await attached.close();
    }
  });

  t.test(`${name}: one that is silent is let go after its time`, async (t) => {
    const { attached, twins, until } = await attach(t, await twinsOf(t, kinds), 500);
    twins[1]?.longhornData?.stop();
    await attached.volume.write(null, 0, filled(2));
    await until("RW ERR");
    t.equal((await attached.volume.read(null, 0, 512))[0], 2);
  });

  t.test(`${name}: after an unclean end they are made equal before both are read`, async (t) => {
    const twins = await twinsOf(t, kinds);
    const before = await attach(t, twins);
    await before.attached.volume.write(null, 0, filled(1));
    await before.attached.close();
    for (const twin of twins) twin.kill();
    // A write that reached one of them only.
    twins[1]?.backend.content.fill(9, 1 << 20, (1 << 20) + BLOCK);
    const { attached, until } = await attach(t, twins);
    await until("RW RW");
    t.equal(at(twins[1], 1 << 20), 0);
    t.equal(at(twins[1], 0), 1);
    t.notOk(twins[1]?.rebuilding, "it is a whole copy again");
    t.equal((await attached.volume.read(null, 1 << 20, 512))[0], 0);
  });
}

t.test(
  "the last copy that answers nothing is waited for; one whose connection ends, ends the volume",
  async (t) => {
    const { attached, twins, healths } = await attach(t, await twinsOf(t, ["longhorn"]), 300);
    twins[0]?.longhornData?.stop();
    const write = attached.volume.write(null, 0, filled(3));
    await sleep(800);
    t.match(healths.at(-1), { type: "waited" });
    twins[0]?.longhornData?.continue();
    await write;
    twins[0]?.longhornData?.cut();
    await t.rejects(attached.volume.write(null, 0, filled(4)), { code: "IO_ERROR" });
    await sleep(100);
    t.match(healths.at(-1), { type: "writesLost", reason: /the only copy/ });
  },
);

t.test("one whose data are at a unix socket is used there, and let go when that is cut", async (t) => {
  const twin = new TwinReplica("r0", VOLUME, SIZE);
  twin.isLonghorns = true;
  twin.dataSocket = join(scratch(t), `${VOLUME}.sock`);
  await twin.start();
  t.teardown(() => twin.stop());
  const { attached, healths } = await attach(t, [twin]);
  const { volume } = attached;
  await volume.write(null, BLOCK, filled(7, 8 * BLOCK));
  await volume.unmap(null, 2 * BLOCK, BLOCK);
  await volume.flush(null);
  const blocks = [BLOCK, 2 * BLOCK, 3 * BLOCK];
  t.strictSame(blocks.map((offset) => at(twin, offset)), [7, 0, 7]); // prettier-ignore
  t.ok((await volume.read(null, 3 * BLOCK, 2 * BLOCK)).every((byte) => byte === 7));
  twin.longhornData?.cut();
  await t.rejects(volume.write(null, 0, filled(4)), { code: "IO_ERROR" });
  await sleep(100);
  t.match(healths.at(-1), { type: "writesLost", reason: /the only copy/ });
});

t.test("one of ours is never gone on without while the others are Longhorn's", async (t) => {
  const { attached, twins, states } = await attach(t, await twinsOf(t, ["ours", "longhorn"]));
  if (twins[0] !== undefined) twins[0].recordsToRefuse = 1_000_000;
  t.notOk(await attached.replicas.fail(twins[0]?.address.replace("tcp://", "") ?? "", "a client says so"));
  t.equal(states(), "RW RW");
});

t.test(
  "beside ours only one that is recorded is a copy, and none that was written without ours",
  async (t) => {
    const twins = await twinsOf(t, ["ours", "longhorn"]);
    const [ours, foreign] = twins;
    if (ours === undefined || foreign === undefined) throw new Error("no twins");
    const alone = await attach(t, [ours]);
    await alone.attached.volume.write(null, 0, filled(1));
    await alone.attached.detach();
    const { attached, states } = await attach(t, twins);
    t.equal(states(), "RW ERR", "it was not there before");
    await attached.detach();
  },
);

t.test(
  "without counters nobody is gone on without before it is told so, or a client says that it goes",
  async (t) => {
    const twins = await twinsOf(t, ["longhorn", "longhorn"]);
    for (const twin of twins) twin.revisionCounterDisabled = true;
    const [, second] = twins;
    if (second === undefined) throw new Error("no twin");
    const { attached, until } = await attach(t, twins);
    second.faults.set("rebuildingSet", () => Promise.reject(new Error("gone")));
    second.longhornData?.close();
    const write = attached.volume.write(null, 0, filled(1));
    t.equal(await Promise.race([write, sleep(1_500, "held")]), "held");
    t.ok(await attached.replicas.fail(second.address.replace("tcp://", ""), "removed"));
    await write;
    await until("RW ERR");
  },
);
