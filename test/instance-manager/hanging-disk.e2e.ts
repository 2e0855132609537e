/** A disk that hangs under a node's agent: whatever is asked of it does not come back. Needs root. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { DISK_JOBS_MAX, DISK_TIMEOUT_MS } from "../../manager/instance-manager/limits.js";
import { NodeAgent } from "../../proto/instance-manager.js";
import { errorText } from "../../proto/rpc-error.js";
import { unaryClient } from "../../proto/unary.js";
import { ForgetfulDisk } from "../powercut/forgetful-disk.js";
import { processesNaming, waitFor } from "../tools/process.js";
import { Agent, CALL, WAIT_MS } from "./agent.js";

for (const type of ["ext4", "xfs"] as const)
  t.test(`on ${type}`, async (t) => {
    const agent = await new Agent(t).start();
    const { calls, close } = unaryClient(NodeAgent, `127.0.0.1:${agent.ports.instance}`);
    const disk = await ForgetfulDisk.make(type, 512);
    t.teardown(async () => {
      close();
      await disk.remove();
    });
    const path = disk.mountPoint;
    const scan = async (name: string) => (await calls.diskScan({ name }, CALL)).disk;
    const other = join(agent.directory, "other");
    mkdirSync(other);
    t.match(await calls.diskInit({ name: "one", path }, CALL), { ready: true });
    t.match(await calls.diskInit({ name: "two", path: other }, CALL), { ready: true });
    const directory = join(path, "replicas", "gone");
    mkdirSync(directory);
    const remove = () => calls.replicaDirectoryRemove({ disk: "one", name: "gone" }, CALL);

    disk.fail("hang");
    const begun = Date.now();
    t.match(await scan("one"), { ready: false, reason: "NoDiskInfo", message: `${path} does not answer: what was asked of it last has not come back` }); // prettier-ignore
    t.ok(Date.now() - begun >= DISK_TIMEOUT_MS - 1_000);
    const late = Date.now();
    const removals = Array.from({ length: DISK_JOBS_MAX + 1 }, () => remove().catch(errorText));
    for (const why of new Set(await Promise.all(removals))) t.match(why, /does not answer/);
    t.match(await scan("one"), { ready: false });
    t.match(await scan("two"), { ready: true }, "another one is looked at as before");
    t.ok(Date.now() - late < DISK_TIMEOUT_MS, "nobody waits for one that is known to hang");
    await t.rejects(calls.diskInit({ name: "one", path }, CALL), { message: /does not answer/ });
    t.ok(processesNaming(`if=${join(path, "longhorn-disk.cfg")}`).length <= 1);

    disk.fail("none");
    await waitFor(
      "the disk to be ready",
      WAIT_MS,
      async () => (await scan("one"))?.ready === true || undefined,
    );
    await remove();
    t.notOk(existsSync(directory));
  });
