/** Replicas that come back: made copies again by themselves, with what they missed, and never read before. */
import t, { type Test } from "tap";
import type { ReplicaStatus } from "../../proto/control.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { Cluster, type EngineProcess, type ReplicaNode } from "./cluster.js";
import { Writer } from "./writer.js";

const MIB = 1 << 20;
const GRAIN = 64 << 10;
const SIZE = "256MiB";
const WAIT_MS = 60_000;
/** Of the blocks of a Writer: 32 grains. */
const BLOCKS = 512;

interface Pair {
  cluster: Cluster;
  first: ReplicaNode;
  second: ReplicaNode;
  engine: EngineProcess;
  connect(): Promise<IscsiIo>;
}

async function withPair(t: Test, body: (pair: Pair) => Promise<void>): Promise<void> {
  const cluster = new Cluster(SIZE);
  t.teardown(async () => {
    await cluster.end();
    cluster.remove();
  });
  const first = await cluster.addReplica();
  const second = await cluster.addReplica();
  const engine = await cluster.startEngine(["--replica-timeout", "1"]);
  const connect = async () => {
    const io = await IscsiIo.connect(engine.url());
    t.teardown(() => io.kill());
    return io;
  };
  await body({ cluster, first, second, engine, connect });
}

async function replica(engine: EngineProcess, { address }: ReplicaNode): Promise<ReplicaStatus> {
  const { replicas } = await engine.status();
  const found = replicas.find((status) => status.address === address);
  if (found === undefined) throw new Error(`the engine does not know ${address}`);
  return found;
}

/** Waits until a replica is in that mode. @returns its status then */
function mode(engine: EngineProcess, node: ReplicaNode, wanted: string): Promise<ReplicaStatus> {
  return waitFor(`${node.id} to be ${wanted}`, WAIT_MS, async () => {
    const status = await replica(engine, node);
    return status.mode === wanted ? status : undefined;
  });
}

/** Gives up all but `survivor`, so that nothing but its own content is read. */
async function leaveAlone(pair: Pair, survivor: ReplicaNode, others: ReplicaNode[]): Promise<void> {
  for (const other of others) await pair.cluster.kill(other.process);
  await mode(pair.engine, survivor, "RW");
}

/** @returns the MiBs from `begin` to `end` that do not hold their version */
async function wrong(
  io: IscsiIo,
  begin: number,
  end: number,
  version: (mib: number) => number,
): Promise<string[]> {
  const found: string[] = [];
  for (let mib = begin; mib < end; mib++) {
    const runs = JSON.stringify(await io.read(mib * MIB, MIB));
    if (runs !== JSON.stringify([{ version: version(mib), sectors: 2048 }]))
      found.push(`MiB ${mib}: ${runs}`);
  }
  return found;
}

t.test(
  "a replica that was killed under load comes back with what it missed, and can stand alone",
  async (t) => {
    await withPair(t, async (pair) => {
      const { cluster, first, second, engine } = pair;
      const io = await pair.connect();
      for (let mib = 0; mib < 64; mib++) await io.write(mib * MIB, MIB, 1_000_000 + mib);
      const writer = new Writer(io, BLOCKS);
      writer.start();
      await writer.progress(50);
      await cluster.kill(first.process);
      await mode(engine, first, "ERR");
      // The writer may write all of its blocks again before they are copied; this one nobody writes again.
      await (await pair.connect()).write(80 * MIB, GRAIN, 7);
      await writer.progress(200);
      cluster.restart(first);
      await writer.progress(200);
      const { resync, movedBytes } = await mode(engine, first, "RW");
      t.match(resync, /^what changed since generation \d+$/);
      t.ok(movedBytes >= GRAIN);
      t.ok(movedBytes <= 1.1 * (BLOCKS * 4096 + GRAIN), `${movedBytes} bytes moved`);
      await writer.progress(50);
      t.equal(await writer.stop(), null);

      await leaveAlone(pair, first, [second]);
      t.strictSame(await writer.mistakes(), []);
      t.strictSame(await io.read(80 * MIB, GRAIN), [{ version: 7, sectors: GRAIN / 512 }]);
      for (let mib = 3; mib < 64; mib++)
        t.strictSame(await io.read(mib * MIB, MIB), [{ version: 1_000_000 + mib, sectors: 2048 }]);
    });
  },
);

t.test("a replica that hung is made a copy again, and what it still had to do does no harm", async (t) => {
  await withPair(t, async (pair) => {
    const { first, second, engine } = pair;
    const writer = new Writer(await pair.connect(), BLOCKS);
    writer.start();
    await writer.progress(50);
    first.process.child.kill("SIGSTOP");
    await mode(engine, first, "ERR");
    await writer.progress(200);
    first.process.child.kill("SIGCONT");
    await mode(engine, first, "RW");
    await writer.progress(50);
    t.equal(await writer.stop(), null);
    await leaveAlone(pair, first, [second]);
    t.strictSame(await writer.mistakes(), []);
  });
});

t.test("writes of a part of a block are not lost while the block is resynced", async (t) => {
  await withPair(t, async (pair) => {
    const { cluster, first, second, engine } = pair;
    const io = await pair.connect();
    await cluster.kill(first.process);
    const blocks = 4096;
    for (let mib = 0; mib < (blocks * 4096) / MIB; mib++) await io.write(mib * MIB, MIB, 1);
    cluster.restart(first);
    // One sector of each block while it is, was, or is yet to be copied; in both directions.
    for (let i = 0; i < blocks; i++) {
      const block = i % 2 === 0 ? i : blocks - i;
      await io.write(block * 4096 + (block % 8) * 512, 512, 2);
    }
    await mode(engine, first, "RW");
    await leaveAlone(pair, first, [second]);
    for (let block = 0; block < blocks; block++) {
      const before = block % 8;
      const expected = [
        { version: 1, sectors: before },
        { version: 2, sectors: 1 },
        { version: 1, sectors: 7 - before },
      ].filter(({ sectors }) => sectors > 0);
      const found = await io.read(block * 4096, 4096);
      if (JSON.stringify(found) !== JSON.stringify(expected)) t.strictSame(found, expected, `block ${block}`);
    }
  });
});

t.test("a returning replica that is killed while it is resynced is resynced again", async (t) => {
  await withPair(t, async (pair) => {
    const { cluster, first, second, engine } = pair;
    const io = await pair.connect();
    await cluster.kill(first.process);
    for (let mib = 0; mib < 192; mib++) await io.write(mib * MIB, MIB, 1 + mib);
    cluster.restart(first);
    await waitFor("the resync", WAIT_MS, async () => {
      const { mode, movedBytes } = await replica(engine, first);
      return mode === "RW" || movedBytes > 0 ? true : undefined;
    });
    await cluster.kill(first.process);
    for (let mib = 0; mib < 16; mib++) await io.write(mib * MIB, MIB, 1001 + mib);
    cluster.restart(first);
    await mode(engine, first, "RW");
    await leaveAlone(pair, first, [second]);
    t.strictSame(await wrong(io, 0, 192, (mib) => (mib < 16 ? 1001 + mib : 1 + mib)), []);
  });
});

t.test(
  "an engine that is killed while it resyncs leaves no half-made copy; the next one goes on",
  async (t) => {
    await withPair(t, async (pair) => {
      const { cluster, first, second, engine } = pair;
      const io = await pair.connect();
      await io.write(0, MIB, 7);
      await cluster.kill(first.process);
      for (let mib = 0; mib < 192; mib++) await io.write(mib * MIB, MIB, 1 + mib);
      cluster.restart(first);
      await waitFor("the resync", WAIT_MS, async () => {
        const { mode, movedBytes } = await replica(engine, first);
        return mode === "RW" || movedBytes > 0 ? true : undefined;
      });
      await cluster.kill(engine.process);
      io.kill();

      const next = await cluster.startEngine(["--replica-timeout", "1"]);
      const status = await mode(next, first, "RW");
      t.match(status, { resync: /^(what changed since generation \d+)?$/ });
      const again = await IscsiIo.connect(next.url());
      t.teardown(() => again.kill());
      await cluster.kill(second.process);
      await mode(next, second, "ERR");
      t.strictSame(await wrong(again, 0, 192, (mib) => 1 + mib), []);
    });
  },
);
