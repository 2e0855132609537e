/** An engine that reaches its witness and no copy, while another one takes over without the witness. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { withCluster, witnessCounts, type ReplicaNode, type WitnessNode } from "./cluster.js";

const WAIT_MS = 60_000;

/** Of the record that it has stored (`replica/member-record.ts`). */
async function generationAt({ directory }: ReplicaNode | WitnessNode): Promise<number> {
  const record = JSON.parse(await readFile(join(directory, "aurochs.record"), "utf8")) as {
    member: { generation: number };
  };
  return record.member.generation;
}

t.test("what it counted to at the witness does not keep that from whoever took over", async (t) => {
  await withCluster("64MiB", async (cluster) => {
    const [first, second] = [await cluster.addReplica(), await cluster.addReplica()];
    const witness = await cluster.addWitness();
    const flags = ["--witness", witness.address, "--replica-timeout", "1"];
    const cutOff = await cluster.startEngine(flags);
    const io = await IscsiIo.connect(cutOff.url());
    await witnessCounts(cutOff, true);
    const began = await generationAt(witness);
    const held = io.write(0, 4096, 2).catch(() => undefined);
    first.process.child.kill("SIGSTOP");
    second.process.child.kill("SIGSTOP");
    await waitFor("the engine to count on", WAIT_MS, async () =>
      (await generationAt(witness)) > began + 2 ? true : undefined,
    );
    await Promise.all([cluster.kill(first.process), cluster.kill(second.process)]);
    cutOff.process.child.kill("SIGSTOP");
    await cluster.kill(witness.process);
    const countedTo = await generationAt(witness);
    cluster.restart(first);
    cluster.restart(second);
    const elsewhere = await cluster.startEngine(flags);
    const other = await IscsiIo.connect(elsewhere.url());
    await other.write(0, 4096, 3);
    t.ok((await generationAt(first)) < countedTo);
    cluster.restartWitness(witness);
    await witnessCounts(elsewhere, true);
    t.ok((await generationAt(first)) > countedTo);
    cutOff.process.child.kill("SIGCONT");
    await cutOff.process.ended;
    await held;
    // With the witness, one copy may be gone on with.
    await cluster.kill(second.process);
    await other.write(0, 4096, 4);
    t.strictSame(await other.read(0, 4096), [{ version: 4, sectors: 8 }]);
    io.kill();
    other.kill();
  });
});
