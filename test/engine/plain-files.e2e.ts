/** Plain files as copies, as Longhorn's own tests of its controller use them: `file://` addresses of an engine with `--enable-backend file`. */
import { existsSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ReplicaMode } from "../../proto/longhorn.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { CALL, FILES, FileEngine, SERVED, SIZE } from "./file-engine.js";

const MIB = 1 << 20;
const { WO, RW, ERR } = ReplicaMode;

t.test("files are created one at a time, set to RW, and deleted, without any start", async (t) => {
  const engine = await FileEngine.start(t);
  t.strictSame(await engine.list(), []);
  const [first, second, third] = [engine.file(), engine.file(), engine.file()];
  t.match(await engine.create(first), { address: { address: `file://${first}` }, mode: WO });
  await engine.create(first);
  await engine.create(first);
  t.strictSame(await engine.list(), [[first, WO]]);
  await t.rejects(engine.create(second), { message: /can only have one WO replica at a time/ });
  t.match(await engine.update(first), { mode: RW });
  t.match(await engine.calls.replicaGet({ address: `file://${first}` }, CALL), { mode: RW });
  t.match(await engine.calls.volumeGet({}, CALL), { size: SIZE, replicaCount: 1, frontendState: "" });
  t.match(await engine.create(second), { address: { address: `file://${second}` }, mode: WO });
  await t.rejects(engine.create(third), { message: /can only have one WO replica at a time/ });
  t.match(await engine.update(second), { mode: RW });
  await engine.create(third);
  t.match(await engine.update(third), { mode: RW });
  t.strictSame(await engine.list(), [[first, RW], [second, RW], [third, RW]]); // prettier-ignore
  await engine.delete(first);
  await engine.delete(first);
  t.strictSame(await engine.list(), [[second, RW], [third, RW]]); // prettier-ignore
  await engine.delete(second);
  t.strictSame(await engine.list(), [[third, RW]]);
  await engine.delete(third);
  t.strictSame(await engine.list(), []);
  t.match(await engine.create(first), { mode: WO }, "one that was taken out is added again");
  await engine.delete(first);
  t.strictSame(await engine.list(), []);
});

t.test("started, written, expanded between two frontends, shut down, started again", async (t) => {
  const engine = await FileEngine.start(t);
  t.match(await engine.calls.volumeGet({}, CALL), { replicaCount: 0 });
  const files = [engine.file(), engine.file()];
  t.match(await engine.volumeStart(files), { replicaCount: 2, size: SIZE });
  t.strictSame((await engine.list()).map(([path]) => path), files); // prettier-ignore
  await engine.allRw();

  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const io = await IscsiIo.connect(engine.iscsi);
  await io.write(0, MIB, 1);
  await io.write(SIZE - MIB, MIB, 2);
  await io.flush();
  t.strictSame(await io.read(SIZE - MIB, MIB), [{ version: 2, sectors: MIB / 512 }]);
  io.kill();

  await engine.calls.volumeFrontendShutdown({}, CALL);
  await engine.calls.volumeExpand({ size: 2 * SIZE }, CALL);
  await waitFor("the expansion", CALL.timeoutMs, async () =>
    (await engine.calls.volumeGet({}, CALL)).isExpanding ? undefined : true,
  );
  t.match(await engine.calls.volumeGet({}, CALL), { size: 2 * SIZE, lastExpansionError: "" });
  for (const path of files) t.equal(statSync(path).size, 2 * SIZE);

  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const larger = await IscsiIo.connect(engine.iscsi);
  t.strictSame(await larger.read(0, MIB), [{ version: 1, sectors: MIB / 512 }]);
  await larger.write(2 * SIZE - MIB, MIB, 3);
  larger.kill();
  t.match(await engine.calls.volumeShutdown({}, CALL), { replicaCount: 0 });
  t.strictSame(await engine.list(), []);
  const [first, second] = files.map((path) => readFileSync(path));
  t.ok(second !== undefined && first?.equals(second), "both hold the same");
  t.notOk(first?.subarray(2 * SIZE - MIB).every((byte) => byte === 0));

  const again = {
    replicaAddresses: files.map((path) => `file://${path}`),
    size: 2 * SIZE,
    currentSize: 2 * SIZE,
  };
  t.match(await engine.calls.volumeStart(again, CALL), { replicaCount: 2, size: 2 * SIZE });
  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const last = await IscsiIo.connect(engine.iscsi);
  t.strictSame(await last.read(2 * SIZE - MIB, MIB), [{ version: 3, sectors: MIB / 512 }]);
  last.kill();
  engine.process.child.kill("SIGTERM");
  t.equal(await engine.process.ended, 0, engine.process.output());
});

t.test("files that cannot grow are as they were, and go on", async (t) => {
  const engine = await FileEngine.start(t);
  const tooLarge = 2 ** 52;
  const probe = engine.file();
  try {
    truncateSync(probe, tooLarge);
    t.comment("nothing is too large for this file system");
    return;
  } catch {
    // As it will be.
  }
  const files = [engine.file(), engine.file()];
  await engine.volumeStart(files);
  await engine.allRw();
  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const io = await IscsiIo.connect(engine.iscsi);
  await engine.calls.volumeExpand({ size: tooLarge }, CALL);
  const { size, lastExpansionError } = await waitFor("the expansion", CALL.timeoutMs, async () => {
    const volume = await engine.calls.volumeGet({}, CALL);
    return volume.isExpanding ? undefined : volume;
  });
  t.equal(size, SIZE);
  t.match(lastExpansionError, /FunctionFailedRollbackSucceeded, message = EFBIG/);
  t.strictSame(await engine.list(), files.map((path) => [path, RW])); // prettier-ignore
  await io.write(0, MIB, 1);
  io.kill();
  for (const path of files) t.equal(statSync(path).size, SIZE);
});

t.test("a file that is added while the volume is written holds all of it when it is set to RW", async (t) => {
  const engine = await FileEngine.start(t);
  const [first, second] = [engine.file(), engine.file()];
  writeFileSync(second, Buffer.alloc(SIZE, 0xaa));
  await engine.volumeStart([first]);
  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const io = await IscsiIo.connect(engine.iscsi);
  t.teardown(() => io.kill());
  await io.write(0, MIB, 1);
  await engine.create(second);
  await io.write(MIB, MIB, 2);
  t.match(await engine.update(second), { mode: RW });
  await io.write(2 * MIB, MIB, 3);
  await engine.delete(first);
  await t.rejects(engine.delete(second), { message: /cannot remove last replica if volume is up/ });
  for (const version of [1, 2, 3, 0])
    t.strictSame(await io.read(((version + 3) % 4) * MIB, MIB), [{ version, sectors: MIB / 512 }]);
});

t.test("what Longhorn refuses, or what would not be a copy, is refused", async (t) => {
  const plain = await FileEngine.start(t, []);
  const file = plain.file();
  await t.rejects(plain.create(file), { message: new RegExp(`failed to find factory for file://${file}`) });
  await t.rejects(plain.volumeStart([file]), { message: /no available backend due to replica error/ });

  const engine = await FileEngine.start(t);
  const good = engine.file();
  const missing = join(engine.directory, "missing");
  await t.rejects(engine.create(missing), { message: /no such file or directory/ });
  await t.rejects(engine.create(engine.directory), { message: /illegal operation on a directory/ });
  t.strictSame(await engine.list(), []);
  const small = engine.file(MIB);
  await engine.volumeStart([small, good, missing]);
  t.strictSame(await engine.list(), [[small, ERR], [good, RW], [missing, ERR]]); // prettier-ignore
  const again = (path: string) => path.replace("/file-", "/./file-");
  await t.rejects(engine.create(again(small)), { message: /has 1048576 bytes, the volume has 4194304/ });
  await t.rejects(engine.create(again(good)), { message: /is in use/ });
  const replica = { address: "tcp://127.0.0.1:1", snapshotRequired: true, mode: WO };
  await t.rejects(engine.calls.controllerReplicaCreate(replica, CALL), {
    message: /no copies beside replicas/,
  });
  await t.rejects(engine.calls.volumeSnapshot({ name: "s1" }, CALL), { message: /has no snapshots/ });
  await t.rejects(engine.calls.volumeRevert({ name: "s1" }, CALL), { message: /is not found/ });
  t.strictSame((await engine.list())[1], [good, RW], "and it goes on");
});

t.test("a file that was left out, or was not whole yet, is no copy at the next start", async (t) => {
  const engine = await FileEngine.start(t);
  const [first, second, third] = [engine.file(), engine.file(), engine.file()];
  const all = [third, second, first];
  await engine.volumeStart([first, third]);
  await engine.allRw();
  await engine.calls.volumeFrontendStart(SERVED, CALL);
  const io = await IscsiIo.connect(engine.iscsi);
  await engine.calls.replicaUpdate({ address: { address: `file://${third}`, instanceName: "" }, mode: ERR }, CALL); // prettier-ignore
  await io.write(0, MIB, 1);
  await engine.create(second);
  await io.write(MIB, MIB, 2);
  io.kill();
  engine.process.child.kill("SIGKILL");
  await engine.process.ended;
  const replicas = all.flatMap((path) => ["--replica", `file://${path}`]);
  await engine.run(t, [...FILES, ...replicas, "--frontend", SERVED.frontend]);
  t.strictSame(await engine.list(), [[third, ERR], [second, ERR], [first, RW]]); // prettier-ignore
  for (const path of [second, third]) {
    await engine.delete(path);
    await engine.create(path);
    t.match(await engine.update(path), { mode: RW });
    t.notOk(existsSync(`${path}.aurochs-rebuilding`));
  }
  await engine.delete(first);
  await engine.delete(second);
  const again = await IscsiIo.connect(engine.iscsi);
  for (const version of [1, 2])
    t.strictSame(await again.read((version - 1) * MIB, MIB), [{ version, sectors: MIB / 512 }]);
  again.kill();
});

t.test(
  "a file that others were written after is older, and one that was never written is no copy",
  async (t) => {
    const engine = await FileEngine.start(t);
    const [old, empty, data] = [engine.file(), engine.file(), engine.file()];
    for (const path of [old, data]) writeFileSync(path, Buffer.alloc(SIZE, path === data ? 2 : 1));
    utimesSync(old, new Date(), new Date(Date.now() - 60_000));
    await engine.volumeStart([old, empty, data]);
    t.strictSame(await engine.list(), [[old, ERR], [empty, ERR], [data, RW]]); // prettier-ignore
    t.ok(
      readFileSync(old).every((byte) => byte === 1),
      "it is left as it was",
    );
  },
);
