/** A replica whose directory is put back to an older state, as by a backup of its disk or machine: never read as what it is not. */
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { readRecord } from "../../replica/member-record.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { withCluster, witnessCounts, type Cluster, type EngineProcess, type ReplicaNode } from "./cluster.js";

const SIZE = "16MiB";
const BYTES = 64 << 10;
const WAIT_MS = 60_000;
const EXIT_MEMBERSHIP = 3;

const NEW = [{ version: 2, sectors: BYTES / 512 }];

function whenCopy(engine: EngineProcess, node: ReplicaNode): Promise<string> {
  return waitFor(`${node.id} to be RW`, WAIT_MS, async () => {
    const { replicas } = await engine.status();
    return replicas.find(({ address, mode }) => address === node.address && mode === "RW")?.resync;
  });
}

/** What is recorded says that all have stored more than what is recorded in `backup`. */
function whenTold({ directory }: ReplicaNode, backup: string): Promise<true> {
  return waitFor("the engine to tell what all have stored", WAIT_MS, async () => {
    const [now, then] = await Promise.all([readRecord(directory), readRecord(backup)]);
    return (now?.member?.heldByAll ?? 0) > (then?.member?.generation ?? Infinity) ? true : undefined;
  });
}

async function write(engine: EngineProcess, version: number): Promise<void> {
  const io = await IscsiIo.connect(engine.url());
  await io.write(0, BYTES, version);
  io.kill();
}

async function read(engine: EngineProcess) {
  const io = await IscsiIo.connect(engine.url());
  const found = await io.read(0, BYTES);
  io.kill();
  return found;
}

async function end(engine: EngineProcess): Promise<void> {
  engine.process.child.kill("SIGTERM");
  await engine.process.ended;
}

interface Scene {
  kept: ReplicaNode;
  restored: ReplicaNode;
  /** that wrote the new data */
  engine: EngineProcess;
  /** puts the second copy's directory back to the old data */
  restore(): void;
}

/** Two copies, and a backup of the second one from before the engine that serves. */
async function backedUp(cluster: Cluster, flags: string[] = []): Promise<Scene> {
  const kept = await cluster.addReplica();
  const restored = await cluster.addReplica();
  const first = await cluster.startEngine(flags);
  if (flags.length > 0) await witnessCounts(first, true);
  await write(first, 1);
  await end(first);
  const backup = join(cluster.directory, "backup");
  cpSync(restored.directory, backup, { recursive: true });

  const engine = await cluster.startEngine(flags);
  await write(engine, 2);
  await whenTold(kept, backup);
  const restore = () => {
    rmSync(restored.directory, { recursive: true });
    cpSync(backup, restored.directory, { recursive: true });
  };
  return { kept, restored, engine, restore };
}

/** Waits until it is a copy, and reads what it has when it is the only one. */
async function readAlone(
  t: Test,
  cluster: Cluster,
  engine: EngineProcess,
  { kept, restored }: Scene,
): Promise<void> {
  t.match(await whenCopy(engine, restored), "went back");
  t.strictSame(await read(engine), NEW);
  await cluster.kill(kept.process);
  t.strictSame(await read(engine), NEW, "as the one that was put back has it by now");
}

t.test("nobody starts from two copies of which one may have gone on, and forgot it", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    const scene = await backedUp(cluster);
    const { kept, restored, engine } = scene;
    await end(engine);
    await cluster.kill(restored.process);
    scene.restore();
    cluster.restart(restored);

    const refused = await cluster.startEngine();
    t.equal(refused.ready, null);
    t.equal(await refused.process.ended, EXIT_MEMBERSHIP);
    t.match(refused.process.output(), /WENT_BACK: replica r2 .* went back to generation \d+/);

    const salvaged = await cluster.startEngine(["--salvage", kept.id]);
    t.strictSame(await read(salvaged), NEW);
  });
});

t.test("with a witness the others go on, and it gets what it lacks", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    const witness = await cluster.addWitness();
    const flags = ["--witness", witness.address];
    const scene = await backedUp(cluster, flags);
    await end(scene.engine);
    await cluster.kill(scene.restored.process);
    scene.restore();
    cluster.restart(scene.restored);
    await readAlone(t, cluster, await cluster.startEngine(flags), scene);
  });
});

t.test("one that is put back while an engine serves gets all that it lacks", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    const scene = await backedUp(cluster);
    await cluster.kill(scene.restored.process);
    scene.restore();
    cluster.restart(scene.restored);
    await readAlone(t, cluster, scene.engine, scene);
  });
});
