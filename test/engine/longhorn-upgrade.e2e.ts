/** A live upgrade as Longhorn's manager makes it: other replica processes on the same directories, another engine with
 * `--upgrade`, then SIGHUP for the first one. */
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { isAlive, waitFor } from "../tools/process.js";
import { LonghornCluster } from "./longhorn-cluster.js";

const WAIT_MS = 60_000;

t.test(
  "the next engine takes over with other replica processes; the first one waits for its end",
  async (t) => {
    const cluster = new LonghornCluster(16 << 20);
    t.teardown(() => cluster.end());
    const nodes = [await cluster.addNode(), await cluster.addNode()];
    const first = await cluster.startEngine(nodes);
    const io = await IscsiIo.connect(first.iscsi);
    await io.write(0, 4096, 1);
    const others = [];
    for (const { directory } of nodes) others.push(await cluster.addNode([], directory));

    const next = await cluster.startEngine(others, first);
    t.equal(next.iscsi, first.iscsi);
    t.ok(isAlive(first.process.pid));
    t.match(await first.client.get(), { frontendState: "down", replicaCount: 0 });
    first.process.child.kill("SIGHUP");
    t.equal(await first.process.ended, "SIGHUP");
    io.kill();

    const again = await IscsiIo.connect(next.iscsi);
    t.strictSame(await again.read(0, 4096), [{ version: 1, sectors: 8 }]);
    await again.write(4096, 4096, 2);
    again.kill();
    t.equal(await cluster.modes(next), "RW RW");

    await t.rejects(cluster.startEngine(others, next, "32m"), { message: /no available backend/ });
    await waitFor("the engine before to go on", WAIT_MS, async () =>
      (await next.client.get()).frontendState === "up" ? true : undefined,
    );
    const last = await IscsiIo.connect(next.iscsi);
    t.strictSame(await last.read(0, 8192), [{ version: 1, sectors: 8 }, { version: 2, sectors: 8 }]); // prettier-ignore
    last.kill();
  },
);
