/** With `unmap-mark-snap-chain-removed` an unmap gives back what snapshots behind the head hold; without it, nothing of theirs. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { DiskInfo } from "../../proto/longhorn.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { viewsOf } from "./chain-views.js";
import { LonghornCluster, type Engine, type Node } from "./longhorn-cluster.js";
import { SectorLoad } from "./sector-load.js";

/** bytes */
const UNIT = 128 << 10;
const SIZE = 16 * UNIT;
const WAIT_MS = 60_000;
const LOADED_SIZE = 24 << 20;

interface Scene {
  cluster: LonghornCluster;
  nodes: readonly [Node, Node];
  engine: Engine;
}

async function scene(t: Test, size = SIZE): Promise<Scene> {
  const cluster = new LonghornCluster(size);
  t.teardown(() => cluster.end());
  const nodes = [await cluster.addNode(), await cluster.addNode()] as const;
  return { cluster, nodes, engine: await cluster.startEngine(nodes) };
}

function setMark({ client }: Engine, enabled: boolean) {
  return client.engine.call("flag", (calls, options) =>
    calls.volumeUnmapMarkSnapChainRemovedSet({ enabled }, options),
  );
}

function snapshot({ client }: Engine, name: string) {
  return client.engine.call("snapshot", (calls, options) =>
    calls.volumeSnapshot({ name, labels: {} }, options),
  );
}

async function revert({ client }: Engine, name: string): Promise<void> {
  await client.engine.call("down", (calls, options) => calls.volumeFrontendShutdown({}, options));
  await client.engine.call("revert", (calls, options) => calls.volumeRevert({ name }, options));
  await client.engine.call("up", (calls, options) =>
    calls.volumeFrontendStart({ frontend: "tgt-iscsi" }, options),
  );
  await waitFor("the frontend", WAIT_MS, async () =>
    (await client.get()).frontendState === "up" ? true : undefined,
  );
}

/** On one replica: by bare name. */
async function disk({ client }: Engine, { address }: Node, name: string): Promise<DiskInfo | undefined> {
  return (await client.replica(address)).disks[`volume-snap-${name}.img`];
}

async function removed(engine: Engine, nodes: readonly Node[], names: readonly string[]): Promise<unknown[]> {
  const rows = nodes.flatMap((node) =>
    names.map(async (name) => (await disk(engine, node, name))?.removed === true),
  );
  return Promise.all(rows);
}

async function sizes(engine: Engine, nodes: readonly Node[], name: string): Promise<number[]> {
  return Promise.all(nodes.map(async (node) => Number((await disk(engine, node, name))?.size)));
}

function modes(cluster: LonghornCluster, engine: Engine, wanted: string): Promise<true> {
  return waitFor(`modes ${wanted}`, WAIT_MS, async () =>
    (await cluster.modes(engine)) === wanted ? true : undefined,
  );
}

function metas(nodes: readonly Node[], name: string): string[] {
  return nodes.map(({ directory }) => readFileSync(join(directory, `volume-snap-${name}.img.meta`), "utf8"));
}

async function versions(io: IscsiIo, offset: number, length: number): Promise<unknown[]> {
  return (await io.read(offset, length)).map(({ version }) => version);
}

t.test("an unmap marks what is behind the head and gives its space back, on all replicas", async (t) => {
  const { cluster, nodes, engine } = await scene(t);
  const io = await IscsiIo.connect(engine.iscsi);
  await setMark(engine, true);
  for (const [at, name] of ["a", "b"].entries()) {
    await io.write(at * 4 * UNIT, 6 * UNIT, at + 1);
    await snapshot(engine, name);
  }
  await io.write(0, UNIT, 3);
  await io.zero(10 * UNIT, UNIT);
  t.strictSame(await removed(engine, nodes, ["a", "b"]), [false, false, false, false], "no write marks");
  await io.unmap(0, 8 * UNIT);
  t.strictSame(await removed(engine, nodes, ["a", "b"]), [true, true, true, true]);
  t.strictSame(await sizes(engine, nodes, "a"), [0, 0]);
  t.strictSame(await sizes(engine, nodes, "b"), [2 * UNIT, 2 * UNIT], "what was not unmapped stays");
  for (const name of ["a", "b"]) t.equal(metas(nodes, name)[0], metas(nodes, name)[1]);
  t.strictSame(await versions(io, 0, 8 * UNIT), [0]);
  t.strictSame(await versions(io, 8 * UNIT, 2 * UNIT), [2]);

  await snapshot(engine, "c");
  await io.unmap(8 * UNIT, 2 * UNIT);
  t.strictSame(await removed(engine, nodes, ["c"]), [true, true], "the next snapshot as well");
  t.strictSame(await sizes(engine, nodes, "b"), [0, 0]);
  await io.logout();
  await cluster.stop(engine.process);
  for (const node of nodes) await cluster.stop(node.process);
  for (const node of nodes) await cluster.restart(node);
  const next = await cluster.startEngine(nodes);
  const again = await IscsiIo.connect(next.iscsi);
  t.strictSame(await versions(again, 0, 8 * UNIT), [0], "after a reopen as well");
  await again.logout();
});

t.test("without the flag nothing is marked, and a snapshot keeps what it holds", async (t) => {
  const { nodes, engine } = await scene(t);
  const io = await IscsiIo.connect(engine.iscsi);
  await setMark(engine, true);
  await setMark(engine, false);
  await io.write(0, 4 * UNIT, 1);
  await snapshot(engine, "a");
  await io.unmap(0, 4 * UNIT);
  t.strictSame(await versions(io, 0, 4 * UNIT), [0]);
  t.strictSame(await removed(engine, nodes, ["a"]), [false, false]);
  t.strictSame(await sizes(engine, nodes, "a"), [4 * UNIT, 4 * UNIT]);
  await io.logout();
  await revert(engine, "a");
  const again = await IscsiIo.connect(engine.iscsi);
  t.strictSame(await versions(again, 0, 4 * UNIT), [1]);
  await again.logout();
});

t.test("what another branch is based on is neither marked nor touched", async (t) => {
  const { nodes, engine } = await scene(t);
  let io = await IscsiIo.connect(engine.iscsi);
  await setMark(engine, true);
  for (const [at, name] of ["root", "branch"].entries()) {
    await io.write(at * UNIT, 4 * UNIT, at + 1);
    await snapshot(engine, name);
  }
  await io.logout();
  await revert(engine, "root");
  io = await IscsiIo.connect(engine.iscsi);
  await snapshot(engine, "own");
  await io.unmap(0, 8 * UNIT);
  t.strictSame(await removed(engine, nodes, ["root", "branch", "own"]), [
    false,
    false,
    true,
    false,
    false,
    true,
  ]);
  t.strictSame(await versions(io, 0, 8 * UNIT), [0]);
  await io.logout();
  await revert(engine, "branch");
  io = await IscsiIo.connect(engine.iscsi);
  t.strictSame(await versions(io, 0, 5 * UNIT), [1, 2]);
  await io.logout();
});

t.test("a replica that cannot mark delays an unmap and fails nobody; it marks when it is back", async (t) => {
  const { cluster, nodes, engine } = await scene(t);
  const io = await IscsiIo.connect(engine.iscsi);
  await setMark(engine, true);
  await io.write(0, 4 * UNIT, 1);
  await snapshot(engine, "a");
  nodes[1].process.child.kill("SIGSTOP");
  const unmap = io.unmap(0, 2 * UNIT);
  await waitFor("unmaps to go on without marks", WAIT_MS, () =>
    /unmaps go on without/.test(engine.process.output()) ? true : undefined,
  );
  nodes[1].process.child.kill("SIGCONT");
  await unmap;
  t.strictSame(await versions(io, 0, 4 * UNIT), [0, 1]);
  await modes(cluster, engine, "RW RW");
  await waitFor("an unmap to mark", WAIT_MS, async () => {
    await io.unmap(2 * UNIT, 2 * UNIT);
    return (await removed(engine, nodes, ["a"])).every(Boolean) ? true : undefined;
  });
  t.strictSame(await versions(io, 0, 4 * UNIT), [0]);
  await io.logout();
});

t.test("a replica that was away when marks were made makes them when it is a copy again", async (t) => {
  const { cluster, nodes, engine } = await scene(t);
  const io = await IscsiIo.connect(engine.iscsi);
  await setMark(engine, true);
  await io.write(0, 4 * UNIT, 1);
  await snapshot(engine, "a");
  await cluster.kill(nodes[1].process);
  await modes(cluster, engine, "RW ERR");
  await io.unmap(0, UNIT);
  t.equal((await disk(engine, nodes[0], "a"))?.removed, true);
  await cluster.restart(nodes[1]);
  await modes(cluster, engine, "RW RW");
  await waitFor("an unmap to mark", WAIT_MS, async () => {
    await io.unmap(UNIT, UNIT);
    return (await removed(engine, nodes, ["a"])).every(Boolean) ? true : undefined;
  });
  t.strictSame(await versions(io, 0, 4 * UNIT), [0, 1]);
  await io.logout();
  await cluster.stop(engine.process);
  for (const node of nodes) await cluster.stop(node.process);
  const [first, second] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
  t.strictSame(second, first);
});

t.test("an engine is killed between marking on one replica and on the other", async (t) => {
  const { cluster, nodes, engine } = await scene(t);
  let io = await IscsiIo.connect(engine.iscsi);
  await io.write(0, 4 * UNIT, 1);
  await io.flush();
  await snapshot(engine, "a");
  await engine.client.withReplica(nodes[0].address, (replica) =>
    replica.call("mark", (calls, options) => calls.diskMarkAsRemoved({ name: "a" }, options)),
  );
  io.kill();
  await cluster.kill(engine.process);
  for (const node of nodes) {
    await cluster.kill(node.process);
    await cluster.restart(node);
  }
  const next = await cluster.startEngine(nodes);
  t.strictSame(await removed(next, nodes, ["a"]), [true, false]);
  io = await IscsiIo.connect(next.iscsi);
  t.strictSame(await versions(io, 0, 4 * UNIT), [1]);
  await setMark(next, true);
  await io.unmap(0, 2 * UNIT);
  t.strictSame(await removed(next, nodes, ["a"]), [true, true]);
  t.strictSame(await sizes(next, nodes, "a"), [2 * UNIT, 2 * UNIT]);
  t.strictSame(await versions(io, 0, 4 * UNIT), [0, 1]);
  t.equal(metas(nodes, "a")[0], metas(nodes, "a")[1]);
  await io.logout();
});

t.test("copies stay equal under load, with snapshots and a replica that is away for a while", async (t) => {
  const { cluster, nodes, engine } = await scene(t, LOADED_SIZE);
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  t.comment(`SEED=${seed}`);
  const load = new SectorLoad(LOADED_SIZE / 512, seed);
  t.teardown(() => load.disconnect());
  await setMark(engine, true);
  await load.connect(engine.iscsi);
  await load.fill(0, 8);
  load.start();
  for (const name of ["a", "b"]) {
    await load.progress(100);
    await snapshot(engine, name);
  }
  await waitFor("an unmap to mark", WAIT_MS, async () => {
    await load.progress(20);
    return (await removed(engine, nodes, ["a", "b"])).every(Boolean) ? true : undefined;
  });
  await cluster.kill(nodes[1].process);
  await modes(cluster, engine, "RW ERR");
  await snapshot(engine, "c");
  await load.progress(200);
  t.equal((await disk(engine, nodes[0], "c"))?.removed, true, "a copy that is left marks");
  await cluster.restart(nodes[1]);
  await modes(cluster, engine, "RW RW");
  await load.progress(200);
  await load.stop();
  t.strictSame(await load.mistakes(), []);
  load.disconnect();
  await cluster.stop(engine.process);
  for (const node of nodes) await cluster.stop(node.process);
  const [first, second] = await Promise.all(nodes.map(({ directory }) => viewsOf(directory)));
  t.strictSame(second, first);
  for (const name of ["a", "b", "c"]) t.equal(metas(nodes, name)[0], metas(nodes, name)[1]);
});
