import { status } from "@grpc/grpc-js";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import t from "tap";
import { Engine, Home, SIZE } from "./harness.js";

const MEBI = 1 << 20;
const data = Buffer.alloc(8192, "replica");

t.test("a new volume is created, written, released and read again after a restart", async (t) => {
  const home = new Home(t);
  const first = await home.start();
  const engine = new Engine(first.running, "e1", 1);
  const empty = await engine.identify();
  t.match(empty, { volume: "vol", replicaId: "r1", size: SIZE, record: null, lostWrites: false, unfit: "", revision: 0 }); // prettier-ignore
  t.match(empty, { inheritedRegions: 0, chain: ["volume-head-000.img"], dataPort: first.running.dataPort });
  await engine.record();
  const stream = await engine.connect();
  await stream.write(4096, data);
  await stream.flush();
  t.equal((await engine.identify()).inheritedRegions, 1);
  await engine.release();
  t.equal((await engine.identify()).inheritedRegions, 0);
  t.match(readFileSync(join(home.directory, "volume.meta"), "utf8"), /"Dirty":false/);
  engine.close();
  await first.kill("SIGTERM");

  const second = await home.start({ size: null, volume: null, replicaId: null });
  const next = new Engine(second.running, "e2", 2);
  const facts = await next.identify();
  t.match(facts, { volume: "vol", replicaId: "r1", lostWrites: false, inheritedRegions: 0 });
  t.match(facts.record, { generation: 1, members: ["r1"], engineId: "e1", engineBootId: "engine-boot" });
  t.equal(Buffer.from(facts.record?.engineState ?? []).toString(), "state");
  await next.record();
  t.ok((await (await next.connect()).read(4096, data.length)).equals(data));
  next.close();
});

t.test("a record of another engine ends the older one's stream and keeps it out", async (t) => {
  const home = new Home(t);
  const { running } = await home.start();
  const old = new Engine(running, "e1", 1);
  await t.rejects(old.connect(), { code: "FENCED" }, "before its record");
  await old.record();
  const stream = await old.connect();
  await stream.write(0, data);
  const next = new Engine(running, "e2", 2);
  await next.record();
  await t.rejects(stream.write(0, data), { code: "DISCONNECTED" });
  await t.rejects(old.connect(), { code: "FENCED" });
  await t.rejects(old.record(), { code: status.FAILED_PRECONDITION, message: /generation 2 is recorded here, 1 is older/ }); // prettier-ignore
  await t.rejects(old.agreed(), { code: status.FAILED_PRECONDITION });
  await t.rejects(old.release(), { code: status.FAILED_PRECONDITION });
  t.same(await next.inherited(), [0], "the older engine's region is inherited");
  await (await next.connect()).read(0, 4096);
  old.close();
  next.close();
});

t.test("an engine's next generation leaves its own stream alone", async (t) => {
  const home = new Home(t);
  const { running } = await home.start();
  const engine = new Engine(running, "e1", 1);
  await engine.record(["r1", "r2"]);
  const stream = await engine.connect();
  await stream.write(0, data);
  const later = new Engine(running, "e1", 2);
  await later.record(["r1"]);
  await stream.write(4096, data);
  t.same(await later.inherited(), [], "nothing is inherited from oneself");
  engine.close();
  later.close();
});

t.test("a second daemon on the same directory is refused and told who has it", async (t) => {
  const home = new Home(t);
  const daemon = await home.start();
  const message = new RegExp(`${home.directory} is in use by another daemon \\(process ${daemon.pid}\\)`);
  await t.rejects(home.start(), { code: "LOCKED", message });
  await daemon.kill("SIGKILL");
  await (await home.start()).kill("SIGTERM");
});

t.test(
  "killed and started on the same boot: nothing is lost, the regions are inherited until copies agree",
  async (t) => {
    const home = new Home(t);
    const first = await home.start();
    const engine = new Engine(first.running, "e1", 1);
    await engine.record();
    const stream = await engine.connect();
    await stream.write(0, data);
    await stream.write(5 * MEBI, data);
    await first.kill("SIGKILL");
    engine.close();

    const second = await home.start();
    const next = new Engine(second.running, "e2", 2);
    t.match(await next.identify(), { lostWrites: false, inheritedRegions: 2 });
    await next.record();
    t.same(await next.inherited(), [0, 5]);
    t.ok((await (await next.connect()).read(5 * MEBI, data.length)).equals(data));
    await next.agreed();
    t.same(await next.inherited(), []);
    next.close();
  },
);

t.test(
  "a failed sync that was only marked has lost writes for the next process of the same boot",
  async (t) => {
    const home = new Home(t);
    const first = await home.start();
    const engine = new Engine(first.running, "e1", 1);
    await engine.record();
    await (await engine.connect()).write(0, data);
    await first.kill("SIGKILL");
    engine.close();
    const mark = join(home.directory, "aurochs.lost");
    linkSync(join(home.directory, "aurochs.lock"), mark);

    for (const time of ["at first", "and until copies agree"]) {
      const daemon = await home.start();
      const next = new Engine(daemon.running, "e1", 1);
      t.match(await next.identify(), { lostWrites: true, inheritedRegions: 1 }, time);
      t.ok((await (await next.connect()).read(0, data.length)).equals(data));
      t.notOk(existsSync(mark), "the record says it");
      next.close();
      await daemon.kill("SIGKILL");
    }
  },
);

t.test("a copy whose chain is damaged says so, and stores only that it is none", async (t) => {
  const home = new Home(t);
  const first = await home.start();
  const engine = new Engine(first.running, "e1", 1);
  await engine.record(["r1", "r2"]);
  await (await engine.connect()).write(0, data);
  await first.kill("SIGKILL");
  engine.close();
  const meta = join(home.directory, "volume-head-000.img.meta");
  const whole = readFileSync(meta, "utf8");
  writeFileSync(meta, whole.replace('"Parent":""', '"Parent":"volume-snap-gone.img"'));

  const { running } = await home.start({ startClosed: true });
  const next = new Engine(running, "e2", 2);
  const facts = await next.identify();
  t.match(facts, { replicaId: "r1", size: SIZE, record: { generation: 1, members: ["r1", "r2"] } });
  t.match(facts.unfit, /volume-snap-gone/);
  t.ok(facts.allocated > 0, "not to be taken for an empty one");
  await t.rejects(next.record(["r1", "r2"]), {
    code: status.ABORTED,
    message: /cannot be a member/,
  });
  await next.record(["r2"]);
  t.match(await next.identify(), { record: { generation: 2, members: ["r2"], engineId: "e2" } });
  const old = new Engine(running, "e1", 1);
  await t.rejects(old.record(["r2"]), { code: status.FAILED_PRECONDITION });
  old.close();

  writeFileSync(meta, whole);
  t.match(await next.identify(), {
    unfit: "",
    record: { generation: 2, members: ["r2"] },
    inheritedRegions: 1,
  });
  next.close();
});

t.test("an engine that missed a restart does not declare copies equal", async (t) => {
  const home = new Home(t);
  const first = await home.start();
  const engine = new Engine(first.running, "e1", 1);
  const { opening } = await engine.identify();
  await engine.record();
  await (await engine.connect()).write(0, data);
  await first.kill("SIGKILL");
  engine.close();

  for (const boot of ["boot-1", "boot-2"]) {
    home.boot(boot);
    const daemon = await home.start();
    const same = new Engine(daemon.running, "e1", 1);
    await t.rejects(same.agreed(opening), { code: status.ABORTED, message: /was restarted/ });
    t.match(await same.identify(), { lostWrites: boot !== "boot-1", inheritedRegions: 1 });
    same.close();
    await daemon.kill("SIGKILL");
  }
});

t.test("a restarted machine has lost writes when regions were set, until copies agree", async (t) => {
  const home = new Home(t);
  const first = await home.start();
  const engine = new Engine(first.running, "e1", 1);
  await engine.record();
  await (await engine.connect()).write(0, data);
  await first.kill("SIGKILL");
  engine.close();

  home.boot("boot-2");
  const second = await home.start();
  await second.kill("SIGTERM"); // an orderly end does not bring back what is lost
  const third = await home.start();
  const next = new Engine(third.running, "e2", 2);
  t.match(await next.identify(), { lostWrites: true, inheritedRegions: 1, bootId: "boot-2" });
  await next.record();
  await next.agreed();
  t.match(await next.identify(), { lostWrites: false, inheritedRegions: 0 });
  next.close();
  await third.kill("SIGKILL");
  home.boot("boot-3");
  const fourth = await home.start();
  const last = new Engine(fourth.running, "e3", 3);
  t.match(await last.identify(), { lostWrites: false });
  last.close();
});

t.test(
  "an orderly stop makes everything durable: a restart of the machine after it loses nothing",
  async (t) => {
    const home = new Home(t);
    const first = await home.start();
    const engine = new Engine(first.running, "e1", 1);
    await engine.record();
    await (await engine.connect()).write(0, data);
    await first.kill("SIGTERM");
    engine.close();
    home.boot("boot-2");
    const second = await home.start();
    const next = new Engine(second.running, "e2", 2);
    t.match(await next.identify(), { lostWrites: false, inheritedRegions: 1 });
    next.close();
  },
);

t.test("a revision counter that is there counts writes and is raised by a record", async (t) => {
  const home = new Home(t);
  await (await home.start()).kill("SIGTERM");
  const counter = Buffer.alloc(4096);
  counter.write("100");
  writeFileSync(join(home.directory, "revision.counter"), counter);
  const first = await home.start();
  const engine = new Engine(first.running, "e1", 1);
  await engine.record();
  const stream = await engine.connect();
  await stream.write(0, data);
  await stream.write(0, data);
  t.equal((await engine.identify()).revision, 102);
  const later = new Engine(first.running, "e1", 2);
  await later.record(["r1"], 500);
  t.equal((await engine.identify()).revision, 500);
  await stream.write(0, data);
  await first.kill("SIGTERM");
  t.match(readFileSync(join(home.directory, "revision.counter"), "latin1"), /^501\0+$/);
  engine.close();
  later.close();
});

t.test("a directory that cannot be served is refused with the reason", async (t) => {
  const home = new Home(t);
  await (await home.start()).kill("SIGTERM");
  const record = join(home.directory, "aurochs.record");
  const regions = join(home.directory, "aurochs.regions");
  const good = readFileSync(record);
  const goodRegions = readFileSync(regions);
  const refusals: [what: string, harm: () => void, difference: object, code: string, message: RegExp][] = [
    ["another volume", () => undefined, { volume: "other" }, "FOREIGN", /belongs to volume vol, not other/],
    ["another replica", () => undefined, { replicaId: "r9" }, "FOREIGN", /is replica r1, not r9/],
    ["another size", () => undefined, { size: 2 * SIZE }, "SIZE_MISMATCH", /holds a volume of 16777216 bytes/],
    ["a backing file", () => undefined, { backingFile: "/etc/hostname" }, "FOREIGN", /without a backing file/],
    ["a cut record", () => { writeFileSync(record, good.subarray(0, 30)); }, {}, "DAMAGED", /aurochs\.record is not JSON/],
    ["an empty record", () => { writeFileSync(record, ""); }, {}, "DAMAGED", /aurochs\.record is empty/],
    ["a lost record", () => { rmSync(record); }, {}, "DAMAGED", /aurochs\.record is missing, but aurochs\.regions is there/],
    ["a full disk", () => { symlinkSync("/dev/full", `${record}.tmp`); }, {}, "NO_SPACE", /aurochs\.record/],
    ["no boot id", () => undefined, { bootIdFile: join(home.root, "absent") }, "MISSING", /boot id/],
    ["a port that is taken", () => undefined, { host: "192.0.2.1" }, "IO_ERROR", /192\.0\.2\.1/],
  ]; // prettier-ignore
  for (const [what, harm, difference, code, message] of refusals) {
    harm();
    await t.rejects(home.start(difference), { code, message }, what);
    rmSync(`${record}.tmp`, { force: true });
    writeFileSync(record, good);
    writeFileSync(regions, goodRegions);
  }
  await (await home.start()).kill("SIGTERM"); // and it is whole after all that
});

t.test("a replica that was not told its volume belongs to that of the first engine", async (t) => {
  const home = new Home(t);
  const first = await home.start({ volume: null, anyVolume: true });
  const engine = new Engine(first.running, "e1", 1);
  t.match(await engine.identify(), { volume: "" });
  await first.kill("SIGTERM");
  const second = await home.start({ volume: null, size: null, anyVolume: true });
  const again = new Engine(second.running, "e1", 1);
  t.match(await again.identify(), { volume: "" }, "a restart does not name it");
  await again.record();
  t.match(await again.identify(), { volume: "vol" });
  await second.kill("SIGKILL");
  await t.rejects(home.start({ size: null, volume: "other" }), {
    code: "FOREIGN",
    message: /belongs to volume vol/,
  });
  engine.close();
  again.close();
});

t.test("an empty, a missing and a foreign directory are told apart", async (t) => {
  const home = new Home(t);
  await t.rejects(home.start({ size: null }), { code: "MISSING" });
  mkdirSync(home.directory);
  await t.rejects(home.start({ size: null }), { code: "MISSING", message: /a size is needed/ });
  await t.rejects(home.start({ volume: null }), { code: "MISSING", message: /a volume name is needed/ });
  writeFileSync(join(home.directory, "diary.txt"), "");
  rmSync(join(home.directory, "volume.meta"), { force: true });
  await t.rejects(home.start(), { code: "FOREIGN", message: /is not a replica directory/ });
  t.equal(statSync(join(home.directory, "diary.txt")).size, 0);
});
