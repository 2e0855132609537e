/** A replica whose process is stopped when its engine starts takes connections, and says nothing: it comes back by itself. */
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { LonghornCluster, type Engine } from "./longhorn-cluster.js";

const SIZE = 16 << 20;
const BYTES = 64 << 10;
const WAIT_MS = 60_000;

const written = (version: number) => [{ version, sectors: BYTES / 512 }];

t.test("a replica that was silent at its engine's start is a copy again once it answers", async (t) => {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  const [kept, silent] = [await cluster.addNode(), await cluster.addNode()];
  const modes = (engine: Engine, wanted: string) =>
    waitFor(`modes ${wanted}`, WAIT_MS, async () =>
      (await cluster.modes(engine)) === wanted ? true : undefined,
    );

  const connect = async ({ iscsi }: Engine) => {
    const io = await IscsiIo.connect(iscsi);
    t.teardown(() => io.kill());
    return io;
  };

  const first = await cluster.startEngine([kept, silent]);
  let io = await connect(first);
  await io.write(0, BYTES, 1);
  // Without it the other one could not prove that it is current.
  await cluster.kill(silent.process);
  await modes(first, "RW ERR");
  await io.write(0, BYTES, 2);
  await io.logout();
  await cluster.stop(first.process);

  await cluster.restart(silent);
  silent.process.child.kill("SIGSTOP");
  const engine = await cluster.startEngine([kept, silent]);
  t.equal(await cluster.modes(engine), "RW ERR");
  io = await connect(engine);
  await io.write(BYTES, BYTES, 3);
  silent.process.child.kill("SIGCONT");
  await modes(engine, "RW RW");

  await cluster.kill(kept.process);
  await modes(engine, "ERR RW");
  t.strictSame(await io.read(0, BYTES), written(2), "it is not stale");
  t.strictSame(await io.read(BYTES, BYTES), written(3));
  await io.logout();
});
