/** Two replicas and a witness, or three beside its voters: what survives when one of the three is gone for good. */
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import {
  withCluster,
  witnessCounts,
  type EngineProcess,
  type ReplicaNode,
  type WitnessNode,
} from "./cluster.js";

const SIZE = "64MiB";
const WAIT_MS = 60_000;
const EXIT_MEMBERSHIP = 3;

function modeOf(engine: EngineProcess, node: ReplicaNode, mode: string): Promise<true> {
  return waitFor(`${node.id} to be ${mode}`, WAIT_MS, async () => {
    const { replicas } = await engine.status();
    return replicas.some((replica) => replica.address === node.address && replica.mode === mode)
      ? true
      : undefined;
  });
}

t.test(
  "the node with the engine and a replica dies: the other replica goes on, and takes it back",
  async (t) => {
    await withCluster(SIZE, async (cluster) => {
      const dead = await cluster.addReplica();
      const other = await cluster.addReplica();
      const witness = await cluster.addWitness();
      const flags = ["--witness", witness.address];
      const first = await cluster.startEngine(flags);
      const io = await IscsiIo.connect(first.url());
      await witnessCounts(first, true);
      await io.write(0, 8192, 1);
      io.kill();
      await Promise.all([cluster.kill(first.process), cluster.kill(dead.process)]);

      const second = await cluster.startEngine(flags);
      const again = await IscsiIo.connect(second.url());
      t.strictSame(
        await again.read(0, 8192),
        [{ version: 1, sectors: 16 }],
        "what was acknowledged is there",
      );
      await again.write(4096, 4096, 2);
      cluster.restart(dead);
      await modeOf(second, dead, "RW");
      await witnessCounts(second, true);
      again.kill();
      await Promise.all([cluster.kill(second.process), cluster.kill(other.process)]);

      const third = await cluster.startEngine(flags);
      const reader = await IscsiIo.connect(third.url());
      t.strictSame(await reader.read(0, 8192), [
        { version: 1, sectors: 8 },
        { version: 2, sectors: 8 },
      ]);
      reader.kill();
    });
  },
);

t.test(
  "a replica without the other and without the witness does not start, nor one that was left out",
  async (t) => {
    await withCluster(SIZE, async (cluster) => {
      const left = await cluster.addReplica();
      const survivor = await cluster.addReplica();
      const witness = await cluster.addWitness();
      const flags = ["--witness", witness.address, "--replica-timeout", "1"];
      const engine = await cluster.startEngine(flags);
      const io = await IscsiIo.connect(engine.url());
      await witnessCounts(engine, true);
      await cluster.kill(left.process);
      await io.write(0, 4096, 1);
      io.kill();
      await Promise.all([cluster.kill(engine.process), cluster.kill(survivor.process)]);
      cluster.restart(left);

      const refused = await cluster.startEngine(flags, [left]);
      t.equal(refused.ready, null);
      t.equal(await refused.process.ended, EXIT_MEMBERSHIP);
      t.match(refused.process.output(), "members that may have gone on have not answered: r2");

      cluster.restart(survivor);
      await cluster.kill(witness.process);
      const right = await cluster.startEngine(flags);
      const reader = await IscsiIo.connect(right.url());
      t.strictSame(
        await reader.read(0, 4096),
        [{ version: 1, sectors: 8 }],
        "one copy alone needs no witness",
      );
      await modeOf(right, left, "RW");
      reader.kill();
    });
  },
);

t.test("a witness that is away for a while is gone on without: a replica may fail after it", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    const replica = await cluster.addReplica();
    await cluster.addReplica();
    const witness = await cluster.addWitness();
    const engine = await cluster.startEngine(["--witness", witness.address, "--replica-timeout", "1"]);
    const io = await IscsiIo.connect(engine.url());
    await witnessCounts(engine, true);
    await cluster.kill(witness.process);
    await witnessCounts(engine, false);
    await cluster.kill(replica.process);
    await io.write(0, 4096, 1);
    t.strictSame(await io.read(0, 4096), [{ version: 1, sectors: 8 }]);
    cluster.restart(replica);
    cluster.restartWitness(witness);
    await modeOf(engine, replica, "RW");
    await witnessCounts(engine, true);
    io.kill();
  });
});

t.test("an engine that is cut off with one copy waits, is fenced, and its copy is taken back", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    const local = await cluster.addReplica();
    const remote = await cluster.addReplica();
    const witness = await cluster.addWitness();
    const flags = ["--witness", witness.address, "--replica-timeout", "1"];
    const cutOff = await cluster.startEngine(flags);
    const io = await IscsiIo.connect(cutOff.url());
    await witnessCounts(cutOff, true);
    await io.write(0, 4096, 1);
    await Promise.all([cluster.kill(remote.process), cluster.kill(witness.process)]);
    let answered = false;
    const held = io.write(0, 4096, 2).then(
      () => (answered = true),
      () => undefined,
    );
    // Long enough for its grace to end: from then on it would go on alone, if it may.
    await waitFor("the engine to try", WAIT_MS, () =>
      cutOff.process.output().includes("no survivor could record the failure") ? true : undefined,
    );
    t.equal(answered, false);
    // The others are reached from elsewhere only.
    cutOff.process.child.kill("SIGSTOP");
    cluster.restart(remote);
    cluster.restartWitness(witness);
    const elsewhere = await cluster.startEngine(flags, [remote]);
    const other = await IscsiIo.connect(elsewhere.url());
    t.strictSame(await other.read(0, 4096), [{ version: 1, sectors: 8 }]);
    await other.write(0, 4096, 3);
    cutOff.process.child.kill("SIGCONT");
    await cutOff.process.ended;
    await held;
    t.equal(answered, false, "what it held was never acknowledged");
    io.kill();
    other.kill();
    await cluster.kill(elsewhere.process);

    const last = await cluster.startEngine(flags);
    await modeOf(last, local, "RW");
    const reader = await IscsiIo.connect(last.url());
    t.strictSame(await reader.read(0, 4096), [{ version: 3, sectors: 8 }]);
    reader.kill();
  });
});

t.test(
  "on three nodes with a copy and a voter each, any one may die with the engine, and others one after the other",
  async (t) => {
    await withCluster(SIZE, async (cluster) => {
      const nodes: { replica: ReplicaNode; voter: WitnessNode }[] = [];
      for (const name of ["v1", "v2", "v3"])
        nodes.push({ replica: await cluster.addReplica(), voter: await cluster.addWitness(name) });
      const witness = nodes.map(({ voter }) => voter.address).join(",");
      const flags = ["--witness", witness, "--replica-timeout", "1"];
      const expected: { version: number; sectors: number }[] = [];
      for (const [index, dead] of nodes.slice(0, 2).entries()) {
        const engine = await cluster.startEngine(flags);
        const io = await IscsiIo.connect(engine.url());
        for (const { replica } of nodes) await modeOf(engine, replica, "RW");
        await witnessCounts(engine, true);
        await io.write(index * 4096, 4096, index + 1);
        expected.push({ version: index + 1, sectors: 8 });
        io.kill();
        await Promise.all([engine.process, dead.replica.process, dead.voter.process].map((one) => cluster.kill(one))); // prettier-ignore

        const next = await cluster.startEngine(flags);
        const reader = await IscsiIo.connect(next.url());
        t.strictSame(await reader.read(0, (index + 1) * 4096), expected, `without node ${index + 1}`);
        reader.kill();
        cluster.restart(dead.replica);
        cluster.restartWitness(dead.voter);
        await modeOf(next, dead.replica, "RW");
        await witnessCounts(next, true);
        await cluster.kill(next.process);
      }
      const [first, second, third] = nodes;
      if (first === undefined || second === undefined || third === undefined) throw new Error("three nodes");
      const lose = async ({ replica, voter }: (typeof nodes)[number]) => {
        await cluster.kill(replica.process);
        await cluster.kill(voter.process);
      };
      const engine = await cluster.startEngine(flags);
      const io = await IscsiIo.connect(engine.url());
      await witnessCounts(engine, true);
      await lose(third);
      // With the next node it would be lost: that one may go as well.
      await witnessCounts(engine, false);
      await lose(second);
      await io.write(0, 4096, 9);
      t.strictSame(
        await io.read(0, 4096),
        [{ version: 9, sectors: 8 }],
        "one copy is enough while it is served",
      );
      io.kill();
      await cluster.kill(engine.process);
      await lose(first);
      cluster.restart(third.replica);
      cluster.restartWitness(third.voter);
      const refused = await cluster.startEngine(flags, [third.replica]);
      t.equal(refused.ready, null);
      t.equal(await refused.process.ended, EXIT_MEMBERSHIP);
    });
  },
);
