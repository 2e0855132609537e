/** Engines and replicas outlive their agent, and what crashes is back at once. */
import { mkdirSync, rmdirSync, symlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import t from "tap";
import { EXIT } from "../../engine/exit-codes.js";
import { isErrno } from "../../replica/sync/os-text.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { commandLine, isAlive, waitFor } from "../tools/process.js";
import { Agent, CALL, killProcess, WAIT_MS, type Running } from "./agent.js";

/** An initiator that reconnects, as the kernel's does. */
async function volume(agent: Agent): Promise<{ engine: Running; replicas: Running[]; io: IscsiIo }> {
  const replicas = [await agent.replica("vol-r-1"), await agent.replica("vol-r-2")];
  const engine = await agent.engine("vol-e-0", replicas);
  return { engine, replicas, io: await agent.connect(engine) };
}

async function states(agent: Agent): Promise<Record<string, string | undefined>> {
  const { instances } = await agent.instances.instanceList({}, CALL);
  return Object.fromEntries(Object.entries(instances).map(([name, { status }]) => [name, status?.state]));
}

const ALL_RUN = { "vol-r-1": "running", "vol-r-2": "running", "vol-e-0": "running" };

t.test("I/O goes on while the agent is killed, and the next agent finds what runs", async (t) => {
  const agent = await new Agent(t).start();
  const { engine, io } = await volume(agent);
  await io.write(0, 4096, 1);
  await agent.pid("vol-e-0");
  const before = agent.record("vol-e-0");
  const host = agent.replicaHostPid;
  await agent.kill();
  await io.write(4096, 4096, 2);
  await agent.start();
  t.strictSame(await states(agent), ALL_RUN);
  t.strictSame(agent.record("vol-e-0").process, before.process);
  t.equal((await agent.get("vol-e-0")).status?.uuid, engine.uuid);
  t.equal(agent.replicaHostPid, host, "the replica host as well");
  await io.write(8192, 4096, 3);

  await agent.kill("SIGTERM");
  t.ok(isAlive(before.process?.pid ?? 0), "an orderly end of the agent leaves them alone, too");
  await agent.start();
  t.strictSame(await io.read(0, 12_288), [{ version: 1, sectors: 8 }, { version: 2, sectors: 8 }, { version: 3, sectors: 8 }]); // prettier-ignore
  await io.logout();
  for (const name of ["vol-e-0", "vol-r-1", "vol-r-2"]) await agent.remove(name);
  t.notOk(isAlive(before.process?.pid ?? 0));
  await waitFor("the replica host to end", WAIT_MS, () => (isAlive(host) ? undefined : true));
});

t.test("an engine that is killed is back under its initiator, also one of an earlier agent", async (t) => {
  const agent = await new Agent(t).start();
  const { io } = await volume(agent);
  for (const round of [1, 2]) {
    await io.write(0, 4096, round);
    const pid = await agent.pid("vol-e-0");
    await killProcess(pid);
    await io.write(4096, 4096, round);
    t.strictSame(await io.read(0, 8192), [{ version: round, sectors: 16 }]);
    await agent.reaches("vol-e-0", "running");
    t.not(await agent.pid("vol-e-0"), pid);
    await agent.kill();
    await agent.start();
  }
  const pid = await agent.pid("vol-e-0");
  await agent.kill();
  await killProcess(pid);
  await agent.start();
  await io.write(0, 4096, 9);
  t.strictSame(
    await states(agent),
    ALL_RUN,
    "an engine that died while there was no agent is started as well",
  );
  await io.logout();
});

t.test("an engine that crashes while its record cannot be written is back when it can", async (t) => {
  const agent = await new Agent(t).start();
  const { io } = await volume(agent);
  await io.write(0, 4096, 1);
  const pid = await agent.pid("vol-e-0");
  const inTheWay = join(agent.stateDirectory, "instances", "vol-e-0.json.tmp");
  // The agent may be writing the record at this moment: what the engine tells of itself goes there, too.
  await waitFor("no record to be half written", WAIT_MS, () => {
    try {
      mkdirSync(inTheWay);
      return true;
    } catch (error) {
      if (isErrno(error, "EEXIST")) return undefined;
      throw error;
    }
  });
  await killProcess(pid);
  await waitFor("the reason to be told", WAIT_MS, async () => {
    const { status } = await agent.get("vol-e-0");
    return status?.state === "starting" && /EISDIR/.test(status.errorMsg) ? true : undefined;
  });
  rmdirSync(inTheWay);
  t.strictSame(await io.read(0, 4096), [{ version: 1, sectors: 8 }]);
  await agent.reaches("vol-e-0", "running");
  t.equal(
    commandLine(await agent.pid("vol-e-0")).filter((one) => one === "--resume-from").length,
    1,
    "it comes after the one that ran alone",
  );
  await io.logout();
});

t.test("the replica host is killed: all its replicas are back, and the volume is whole", async (t) => {
  const agent = await new Agent(t).start();
  const { io } = await volume(agent);
  await io.write(0, 65_536, 1);
  const host = agent.replicaHostPid;
  await killProcess(host);
  await io.write(0, 4096, 2);
  await agent.reaches("vol-r-1", "running");
  await agent.reaches("vol-r-2", "running");
  t.not(agent.replicaHostPid, host);
  t.strictSame(await io.read(0, 8192), [{ version: 2, sectors: 8 }, { version: 1, sectors: 8 }]); // prettier-ignore
  t.match(agent.log("vol-r-1"), /replica opened/, "its lines are in its own file");
  await io.logout();
});

t.test(
  "an engine that another one has fenced is not started again, nor is one that finds another",
  async (t) => {
    const agent = await new Agent(t).start();
    const { replicas, io } = await volume(agent);
    io.kill();
    const [id = ""] = agent.record("vol-e-0").engine?.ids ?? [];
    const next = await agent.engine("vol-e-1", replicas, "vol", ["--resume-from", id]);
    const hasEnded = async (name: string) =>
      waitFor(`${name} to be an error`, WAIT_MS, async () => {
        const { status } = await agent.get(name);
        return status?.state === "error" ? status.errorMsg : undefined;
      });
    t.match(await hasEnded("vol-e-0"), new RegExp(`^exit status ${EXIT.FENCED.code}: .`));
    await t.rejects(agent.engine("vol-e-2", replicas, "vol", ["--resume-from", id]), {
      message: /exit status 4/,
    });
    const other = await agent.connect(next);
    await other.write(0, 4096, 1);
  },
);

t.test("another version takes an engine's place under its initiator, and keeps its portal", async (t) => {
  const agent = await new Agent(t).start();
  const { engine, io } = await volume(agent);
  await io.write(0, 4096, 1);
  const pid = await agent.pid("vol-e-0");
  // The same program under another path stands for the other version.
  const binary = join(agent.directory, "longhorn");
  symlinkSync(resolve("bin/longhorn"), binary);
  const { spec } = agent.record("vol-e-0");
  const kept = spec.args.slice(0, spec.args.indexOf("--listen"));
  const portal = ["--portal", `127.0.0.1:${engine.port + 1}`, "--upgrade"];
  const replaced = await agent.processes.processReplace(
    {
      spec: { ...spec, binary, args: [...kept, ...portal], portCount: 1, portArgs: ["--listen,127.0.0.1:"] },
      terminateSignal: "SIGHUP",
    },
    CALL,
  );
  t.match(replaced, { spec: { name: "vol-e-0", binary }, status: { state: "running" } });
  t.not(replaced.status?.uuid, engine.uuid);
  await io.write(4096, 4096, 2);
  await waitFor("the engine before to end", WAIT_MS, () => (isAlive(pid) ? undefined : true));
  t.strictSame(agent.record("vol-e-0").inheritedPorts, [engine.port + 1]);
  await agent.kill();
  await agent.start();
  const next = await agent.pid("vol-e-0");
  await killProcess(next);
  t.strictSame(await io.read(0, 8192), [{ version: 1, sectors: 8 }, { version: 2, sectors: 8 }]); // prettier-ignore
  await agent.reaches("vol-e-0", "running");
});

t.test("after a restart of the machine nothing is taken for what it was", async (t) => {
  const agent = await new Agent(t).start();
  const { io } = await volume(agent);
  io.kill();
  const pids = [await agent.pid("vol-e-0"), agent.replicaHostPid];
  await agent.kill();
  agent.reboot();
  await agent.start();
  t.strictSame(await states(agent), { "vol-r-1": "error", "vol-r-2": "error", "vol-e-0": "error" });
  t.match((await agent.get("vol-e-0")).status?.errorMsg, /restarted/);
  for (const name of Object.keys(ALL_RUN)) await agent.remove(name);
  t.ok(pids.every(isAlive), "process ids of another boot are nobody's to end");
  for (const pid of pids) await killProcess(pid);
});
