/** Longhorn's revision counters say of directories at rest which copy is the newest, and that equal ones are equal. */
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { waitFor } from "../tools/process.js";
import { LonghornCluster, type Engine, type Node } from "./longhorn-cluster.js";
import { SectorLoad } from "./sector-load.js";

const MIB = 1 << 20;
const SIZE = 24 * MIB;
const WAIT_MS = 60_000;

interface Pair {
  cluster: LonghornCluster;
  load: SectorLoad;
  first: Node;
  second: Node;
  engine: Engine;
}

async function pair(t: Test): Promise<Pair> {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.comment(`SEED=${seed}`);
  const cluster = new LonghornCluster(SIZE);
  const load = new SectorLoad(SIZE / 512, seed);
  t.teardown(async () => {
    load.disconnect();
    await cluster.end();
  });
  const first = await cluster.addNode();
  const second = await cluster.addNode();
  const engine = await cluster.startEngine([first, second]);
  await load.connect(engine.iscsi);
  load.start();
  await load.progress(100);
  return { cluster, load, first, second, engine };
}

function counter({ directory }: Node): number {
  return Number(readFileSync(join(directory, "revision.counter"), "latin1").replace(/\0+$/, ""));
}

function modes({ cluster }: Pair, engine: Engine, wanted: string): Promise<true> {
  return waitFor(`replicas to be ${wanted}`, WAIT_MS, async () =>
    (await cluster.modes(engine)) === wanted ? true : undefined,
  );
}

/** Ends everything in order. */
async function rest({ cluster, load }: Pair, engine: Engine, nodes: readonly Node[]): Promise<void> {
  load.disconnect();
  await cluster.stop(engine.process);
  for (const node of nodes) await cluster.stop(node.process);
}

/** The first one is killed under load, and away for a while. */
async function comesBack(all: Pair): Promise<void> {
  const { cluster, load, first, engine } = all;
  await cluster.kill(first.process);
  await modes(all, engine, "ERR RW");
  await load.progress(200);
  await cluster.restart(first);
  await modes(all, engine, "RW RW");
}

t.test("a replica that came back has counted as much as the others", async (t) => {
  const all = await pair(t);
  const { cluster, load, first, second, engine } = all;
  await comesBack(all);
  await load.progress(100);
  await load.stop();
  // Nothing that an orderly end would make equal.
  await cluster.kill(engine.process);
  load.disconnect();
  for (const node of [first, second]) await cluster.stop(node.process);
  t.equal(counter(first), counter(second));
  t.ok(counter(first) >= 400);
});

t.test("who goes on alone has counted more", async (t) => {
  const all = await pair(t);
  const { cluster, load, first, second, engine } = all;
  await comesBack(all);
  await cluster.kill(first.process);
  await modes(all, engine, "ERR RW");
  await load.progress(50);
  await load.stop();
  await rest(all, engine, [second]);
  t.ok(counter(second) > counter(first), `${counter(second)}, ${counter(first)}`);
});

t.test("what a replica is given before it is a copy does not make it look newer", async (t) => {
  const all = await pair(t);
  const { cluster, load, first, second, engine } = all;
  await load.stop();
  await cluster.stop(first.process);
  await modes(all, engine, "ERR RW");
  const before = counter(first);
  // Few writes there, many pieces to be copied here.
  await load.fill(0, SIZE / MIB);
  await cluster.restart(first);
  await waitFor("the resync", WAIT_MS, async () => {
    const mode = await cluster.modes(engine);
    return mode === "WO RW" || mode === "RW RW" ? true : undefined;
  });
  const half = (await cluster.modes(engine)) === "WO RW";
  const { revisionCounter } = await engine.client.replica(first.address);
  if (half && (await cluster.modes(engine)) === "WO RW") t.equal(revisionCounter, before);
  await modes(all, engine, "RW RW");
  await rest(all, engine, [first, second]);
  t.equal(counter(first), counter(second));
});

t.test("a replica that restarted and missed nothing has counted as much as the others soon", async (t) => {
  const all = await pair(t);
  const { cluster, load, first, second, engine } = all;
  await cluster.kill(first.process);
  await cluster.restart(first);
  await load.progress(50);
  t.equal(await cluster.modes(engine), "RW RW");
  const counters = () =>
    Promise.all(
      [first, second].map(async ({ address }) => (await engine.client.replica(address)).revisionCounter),
    );
  await load.stop();
  await waitFor("the counters to be equal", WAIT_MS, async () => {
    const [one, other] = await counters();
    return one === other ? true : undefined;
  });
  t.ok(((await counters())[0] ?? 0) >= 150);
});

/** What a crash leaves different: a block of each region. */
function damage({ directory }: Node): void {
  const { Head } = JSON.parse(readFileSync(join(directory, "volume.meta"), "utf8")) as { Head: string };
  const file = openSync(join(directory, Head), "r+");
  for (let offset = 0; offset < SIZE; offset += MIB) writeSync(file, Buffer.alloc(4096, 7), 0, 4096, offset);
  closeSync(file);
}

t.test("copies that agreed after a crash have counted the same", async (t) => {
  const all = await pair(t);
  const { cluster, load, first, second, engine } = all;
  await comesBack(all);
  await load.progress(50);
  const ended = load.stop().catch(() => undefined);
  await cluster.kill(engine.process);
  load.disconnect();
  await ended;
  for (const node of [first, second]) await cluster.kill(node.process);
  damage(first);
  for (const node of [first, second]) await cluster.restart(node);
  const next = await cluster.startEngine([first, second]);
  await modes(all, next, "RW RW");
  // Nothing that an orderly end would make equal.
  await cluster.kill(next.process);
  for (const node of [first, second]) await cluster.stop(node.process);
  t.equal(counter(first), counter(second));
  t.ok(counter(first) > 0);
});
