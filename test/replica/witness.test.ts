/** A witness as a process of its own: what it stores, refuses and keeps. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { freePorts } from "../../cli/free-ports.js";
import { ReplicaControl, type MemberRecord, type ReplicaFacts } from "../../proto/control.js";
import { unaryClient } from "../../proto/unary.js";
import { run, startDaemon, waitFor } from "../tools/process.js";
import { BARE_RECORD } from "../../engine/testing/bare-record.js";

const WAIT_MS = 30_000;
const TIMEOUT = { timeoutMs: 5_000 };

function directoryOf(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), "aurochs-test-"));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "w");
}

async function start(t: Test, directory: string, ...flags: string[]) {
  const address = `127.0.0.1:${(await freePorts([], 1, 1)).join()}`;
  const daemon = startDaemon("bin/aurochs", ["witness", directory, "--listen", address, ...flags]);
  t.teardown(() => daemon.child.kill("SIGKILL"));
  const { calls, close } = unaryClient(ReplicaControl, address);
  t.teardown(close);
  const facts = await waitFor("the witness", WAIT_MS, () =>
    calls.identify({}, TIMEOUT).catch(() => undefined),
  );
  const kill = async () => {
    daemon.child.kill("SIGKILL");
    await daemon.ended;
  };
  return { calls, facts, kill };
}

function recordOf(generation: number, engineId: string, members: string[], witness: string): MemberRecord {
  return {
    ...{ generation, members: [...members, witness], witnesses: [witness], engineId, engineBootId: "b" },
    ...BARE_RECORD,
  };
}

function request({ replicaId }: ReplicaFacts, record: MemberRecord, basis: MemberRecord | null) {
  const { generation, engineId } = basis ?? { generation: 0, engineId: "" };
  return { volume: "vol", replicaId, record, basis: { generation, engineId, opening: "" } };
}

t.test("it keeps the record through its end, and nothing else", async (t) => {
  const directory = directoryOf(t);
  const first = await start(t, directory);
  t.match(first.facts, { volume: "", witness: true, record: null, allocated: 0 });
  const record = recordOf(1, "e1", ["a", "b"], first.facts.replicaId);
  await first.calls.record(request(first.facts, record, null), TIMEOUT);
  await first.kill();
  const second = await start(t, directory);
  const { replicaId, volume } = second.facts;
  t.strictSame([replicaId, volume], [first.facts.replicaId, "vol"]);
  t.strictSame((await second.calls.recorded({}, TIMEOUT)).record?.witnesses, [replicaId]);
  t.strictSame(readdirSync(directory).sort(), ["aurochs.lock", "aurochs.record"]);
});

t.test("of two engines that start from the same record, one is refused", async (t) => {
  const { calls, facts } = await start(t, directoryOf(t), "--volume", "vol");
  t.equal(facts.volume, "vol");
  const old = recordOf(3, "e1", ["a", "b"], facts.replicaId);
  await calls.record(request(facts, old, null), TIMEOUT);
  await calls.record(request(facts, recordOf(4, "e2", ["a"], facts.replicaId), old), TIMEOUT);
  for (const late of [
    request(facts, recordOf(5, "e3", ["b"], facts.replicaId), old),
    request(facts, recordOf(4, "e1", ["a", "b"], facts.replicaId), old),
  ])
    await t.rejects(calls.record(late, TIMEOUT), /generation 4 of engine "e2" is recorded here/);
  await t.rejects(
    calls.record({ ...request(facts, old, null), volume: "other" }, TIMEOUT),
    /this is volume vol/,
  );
});

t.test("it takes no data, and no directory that holds any", async (t) => {
  const directory = directoryOf(t);
  const { calls, kill } = await start(t, directory);
  const engine = { engineId: "e", generation: 1, opening: "" };
  await t.rejects(calls.release(engine, TIMEOUT), /this is a witness: it keeps records, and no data/);
  await t.rejects(run("bin/aurochs", ["witness", directory, "--listen", "127.0.0.1:0"]), /is in use by/);
  await kill();
  const flags = ["--listen", "127.0.0.1:0", "--volume", "vol", "--size", "1MiB"];
  await t.rejects(run("bin/aurochs", ["replica", directory, ...flags]), /is a witness's: it takes no data/);
  const text = readFileSync(join(directory, "aurochs.record"), "utf8");
  writeFileSync(join(directory, "volume.meta"), "{}");
  await t.rejects(
    run("bin/aurochs", ["witness", directory, "--listen", "127.0.0.1:0"]),
    /it holds volume.meta/,
  );
  t.equal(readFileSync(join(directory, "aurochs.record"), "utf8"), text);
});

t.test("its directory may be the root of a file system", async (t) => {
  const directory = directoryOf(t);
  mkdirSync(join(directory, "lost+found"), { recursive: true });
  t.match((await start(t, directory)).facts, { witness: true });
});

t.test("one whose directory was emptied is another witness", async (t) => {
  const directory = directoryOf(t);
  const { facts, kill } = await start(t, directory);
  await kill();
  rmSync(directory, { recursive: true });
  t.not((await start(t, directory)).facts.replicaId, facts.replicaId);
});
