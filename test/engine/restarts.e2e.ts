/** What a start finds in the replicas' directories, and what it makes of that. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { startDaemon, waitFor } from "../tools/process.js";
import { freePort, startVolume } from "../tools/volume.js";
import { withCluster } from "./cluster.js";

const SIZE = "64MiB";
const WAIT_MS = 30_000;
const EXIT_MEMBERSHIP = 3;

async function up(
  stateDir: string,
  ...more: string[]
): Promise<{ code: number | NodeJS.Signals; output: string }> {
  const portal = `127.0.0.1:${await freePort()}`;
  const daemon = startDaemon("bin/aurochs", ["up", "--state-dir", stateDir, "--portal", portal, ...more]);
  return { code: await daemon.ended, output: daemon.output() };
}

t.test(
  "a second run serves the same data; other parameters and a second run at once are refused",
  async (t) => {
    const stateDir = mkdtempSync(join(tmpdir(), "aurochs-test-"));
    t.teardown(() => rmSync(stateDir, { recursive: true, force: true }));
    const first = await startVolume({ size: SIZE, stateDir });
    const io = await IscsiIo.connect(first.url);
    await io.write(8192, 4096, 7);
    await io.logout();
    const busy = await up(stateDir, "--volume", "test", "--size", SIZE);
    t.equal(busy.code, 1);
    t.match(busy.output, "is in use by another aurochs up");
    await first.stop();

    const other = await up(stateDir, "--volume", "test", "--size", "128MiB");
    t.equal(other.code, 1);
    t.match(other.output, /--size: .* was made with 67108864, not 134217728/);

    const second = await startVolume({ size: SIZE, stateDir });
    const again = await IscsiIo.connect(second.url);
    t.strictSame(await again.read(8192, 4096), [{ version: 7, sectors: 8 }]);
    await again.logout();
    await second.stop();
  },
);

t.test(
  "a copy that missed writes does not start alone, unless it is salvaged; the loser is kept",
  async (t) => {
    await withCluster(SIZE, async (cluster) => {
      const stale = await cluster.addReplica();
      const survivor = await cluster.addReplica();
      const engine = await cluster.startEngine(["--replica-timeout", "1"]);
      const io = await IscsiIo.connect(engine.url());
      await io.write(0, 4096, 1);
      await cluster.kill(stale.process);
      await io.write(0, 4096, 2);
      io.kill();
      await cluster.kill(engine.process);
      await cluster.kill(survivor.process);
      cluster.restart(stale);

      const refused = await cluster.startEngine([], [stale]);
      t.equal(refused.ready, null);
      t.equal(await refused.process.ended, EXIT_MEMBERSHIP);
      t.match(refused.process.output(), "members that may have gone on have not answered: r2");

      cluster.restart(survivor);
      const right = await cluster.startEngine([], [survivor]);
      const reader = await IscsiIo.connect(right.url());
      t.strictSame(await reader.read(0, 4096), [{ version: 2, sectors: 8 }]);
      reader.kill();
      await cluster.kill(right.process);
      await cluster.kill(survivor.process);

      const salvaged = await cluster.startEngine(["--salvage", "r1"], [stale]);
      const old = await IscsiIo.connect(salvaged.url());
      t.strictSame(await old.read(0, 4096), [{ version: 1, sectors: 8 }]);
      old.kill();
      await cluster.kill(salvaged.process);

      cluster.restart(survivor);
      const both = await cluster.startEngine();
      await waitFor("the loser to be declined", WAIT_MS, async () => {
        const [, loser] = (await both.status()).replicas;
        return loser?.cause.includes("kept until") === true ? true : undefined;
      });
      t.match((await both.status()).replicas, [
        { replicaId: "r1", mode: "RW" },
        { address: survivor.address, mode: "ERR" },
      ]);
    });
  },
);

t.test("an engine that was taken over ends and says so", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    await cluster.addReplica();
    await cluster.addReplica();
    const first = await cluster.startEngine();
    const second = await cluster.startEngine();
    t.not(second.ready, null);
    t.equal(await first.process.ended, 4);
    t.match(first.process.output(), "another engine has taken over");
  });
});

t.test(
  "when all replicas' machines restart under an engine, it answers with errors until that is accepted",
  async (t) => {
    await withCluster(SIZE, async (cluster) => {
      const replica = await cluster.addReplica();
      const engine = await cluster.startEngine();
      const io = await IscsiIo.connect(engine.url());
      await io.write(0, 4096, 1);
      cluster.reboot(replica);
      await cluster.kill(replica.process);
      cluster.restart(replica);
      await t.rejects(io.write(0, 4096, 2));
      await waitFor("the engine to say so", WAIT_MS, async () =>
        (await engine.status()).state === "lost-writes" ? true : undefined,
      );
      io.kill();
      await cluster.kill(engine.process);

      const again = await cluster.startEngine();
      t.equal((await again.status()).state, "lost-writes", "a restart of the engine changes nothing");
      await cluster.kill(again.process);
      const accepted = await cluster.startEngine(["--accept-lost-writes"]);
      const reader = await IscsiIo.connect(accepted.url());
      await reader.write(0, 4096, 3);
      t.strictSame(await reader.read(0, 4096), [{ version: 3, sectors: 8 }]);
      reader.kill();
    });
  },
);

t.test("a replica whose machine restarts alone is given what it lost; the other serves on", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    const rebooted = await cluster.addReplica();
    await cluster.addReplica();
    const engine = await cluster.startEngine();
    const io = await IscsiIo.connect(engine.url());
    await io.write(0, 4096, 1);
    cluster.reboot(rebooted);
    await cluster.kill(rebooted.process);
    cluster.restart(rebooted);
    await io.write(0, 4096, 2);
    t.strictSame(await io.read(0, 4096), [{ version: 2, sectors: 8 }]);
    await waitFor("both copies to serve", WAIT_MS, async () =>
      (await engine.status()).state === "serving" ? true : undefined,
    );
    t.match((await engine.status()).replicas, [
      { replicaId: "r1", mode: "RW", resync: /^what changed since/ },
      { replicaId: "r2", mode: "RW", resync: "" },
    ]);
    io.kill();
  });
});
