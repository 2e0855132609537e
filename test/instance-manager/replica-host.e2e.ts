/** The one process of a node's replicas: there is never a second one that nobody knows. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import t from "tap";
import { readBootId } from "../../engine/boot-id.js";
import { HOST_START_TIMEOUT_MS, HOST_TIMEOUT_MS } from "../../manager/instance-manager/limits.js";
import { ReplicaDaemon } from "../../manager/instance-manager/replica-daemon.js";
import { ForgetfulDisk } from "../powercut/forgetful-disk.js";
import { sleep, waitFor } from "../tools/process.js";
import { Agent, CALL, WAIT_MS } from "./agent.js";

t.test("one whose id cannot be recorded is used all the same, and found again", async (t) => {
  const agent = await new Agent(t).start();
  mkdirSync(join(agent.stateDirectory, "replica-host.json.tmp"));
  await agent.replica("vol-r-1");
  const hosts = agent.replicaHosts;
  t.equal(hosts.length, 1);
  await agent.kill();
  await agent.start();
  await agent.reaches("vol-r-1", "running");
  await agent.replica("vol-r-2");
  t.strictSame(agent.replicaHosts, hosts);
  for (const name of ["vol-r-1", "vol-r-2"]) await agent.remove(name);
  await waitFor("the replica host to end", WAIT_MS, () => agent.replicaHosts.length === 0 || undefined);
});

t.test("one that does not serve is given up, and its end is not taken for that of the next", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "aurochs-replica-host-"));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const begun = join(directory, "begun");
  const script = `[ -e ${begun} ] && exec bin/aurochs replica-host --socket "$1"; touch ${begun}; exec sleep 600`;
  let lost = 0;
  const daemon = new ReplicaDaemon({
    ...{ command: ["sh", "-c", script], stateDirectory: directory, logsDirectory: directory },
    ...{ bootId: readBootId(null), onLost: () => lost++, log: pino({ level: "silent" }) },
  });
  const first = daemon.host({ name: "first", args: [], logFile: join(directory, "log") });
  const second = daemon.host({ name: "second", args: [], logFile: join(directory, "log") });
  await waitFor("it to run", WAIT_MS, () => (daemon.pid !== null && existsSync(begun)) || undefined);
  const { now } = Date;
  t.intercept(Date, "now", { value: () => now() + HOST_START_TIMEOUT_MS });
  await t.rejects(first, { message: /does not serve/ });
  await t.rejects(second, { message: /the arguments name no command/ }, "the next one was asked");
  t.equal(lost, 0);
  await waitFor("the next one to end", WAIT_MS, () => daemon.pid === null || undefined);
});

t.test("a replica whose start takes long is started all the same, or let go", async (t) => {
  const agent = await new Agent(t).start();
  const disk = await ForgetfulDisk.make("ext4", 512);
  t.teardown(() => disk.remove());
  symlinkSync(disk.mountPoint, join(agent.directory, "disk"));
  const names = ["vol-r-1", "vol-r-2"] as const;
  for (const name of names) mkdirSync(join(disk.mountPoint, "replicas", name), { recursive: true });
  disk.fail("hang");
  const starts = names.map((name) => agent.replica(name).catch(() => undefined));
  await sleep(HOST_TIMEOUT_MS + 5_000);
  await Promise.all(starts);
  for (const name of names) t.match(await agent.get(name), { status: { state: "starting" } });
  await agent.instances.instanceDelete({ name: names[1] }, CALL);
  disk.fail("none");
  await agent.reaches(names[0], "running");
  for (const name of names) await agent.remove(name).catch(() => undefined);
  await waitFor("the replica host to end", WAIT_MS, () => agent.replicaHosts.length === 0 || undefined);
});
