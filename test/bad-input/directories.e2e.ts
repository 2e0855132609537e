/** Replica directories that cannot be served: each is refused with its reason, left as it is, and stops nobody else. */
import { once } from "node:events";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { Cluster } from "../engine/cluster.js";
import { Writer } from "../engine/writer.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { startDaemon, waitFor, type Daemon } from "../tools/process.js";
import { freePort, startVolume } from "../tools/volume.js";
import { copyDirectory, fillUp, hashes, mountReadOnly, mountSmall } from "./directories.js";

const SIZE = "64MiB";
const MIB = 1 << 20;
const BLOCKS = 256;
const WAIT_MS = 60_000;
const EXIT_FAILED = 1;
const EXIT_MEMBERSHIP = 3;

/** Daemons started at once. */
const BATCH = 4;

const root = mkdtempSync(join(tmpdir(), "aurochs-test-"));
t.teardown(() => rmSync(root, { recursive: true, force: true }));

/** A replica directory with data, closed in order, and the volume's state directory that it is from. */
const stateDir = join(root, "state");
let whole = "";

async function startReplica(directory: string, ...flags: string[]): Promise<Daemon> {
  const listen = `127.0.0.1:${await freePort()}`;
  const args = ["replica", directory, "--listen", listen, "--volume", "test", "--size", SIZE, ...flags];
  const daemon = startDaemon("bin/aurochs", args);
  t.teardown(() => daemon.child.kill("SIGKILL"));
  return daemon;
}

async function refusal(directory: string): Promise<{ code: number | NodeJS.Signals; output: string }> {
  const daemon = await startReplica(directory, "--replica-id", "replica-1");
  return { code: await daemon.ended, output: daemon.output() };
}

function edit(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, "utf8")));
}

interface Damage {
  what: string;
  file: string;
  harm: (path: string) => void;
  says: string;
}

const truncate = (path: string) => truncateSync(path, 20);
const empty = (path: string) => truncateSync(path, 0);
const remove = (path: string) => rmSync(path);
const scribble = (path: string) => writeFileSync(path, "\x00\xff not what was here \x01");

const HEAD = "volume-head-000.img";
const damages: Damage[] = [
  { what: "garbage", file: "volume.meta", harm: scribble, says: "volume.meta is not JSON" },
  { what: "cut off", file: "volume.meta", harm: truncate, says: "volume.meta is not JSON" },
  { what: "lost", file: "volume.meta", harm: remove, says: "is not a replica directory: volume.meta is missing" },
  { what: "cut off", file: `${HEAD}.meta`, harm: truncate, says: `${HEAD}.meta is not JSON` },
  { what: "lost", file: HEAD, harm: remove, says: `cannot find data file` },
  { what: "cut off", file: HEAD, harm: truncate, says: `${HEAD} has 20 bytes, the volume ${64 * MIB}` },
  { what: "empty", file: "aurochs.record", harm: empty, says: "aurochs.record is empty" },
  { what: "another volume's", file: "aurochs.record", harm: (path) => edit(path, (text) => text.replace('"volume":"test"', '"volume":"other"')), says: "belongs to volume other, not test" },
  { what: "another replica's", file: "aurochs.record", harm: (path) => edit(path, (text) => text.replace('"replicaId":"replica-1"', '"replicaId":"replica-2"')), says: "is replica replica-2, not replica-1" },
  { what: "lost", file: "aurochs.regions", harm: remove, says: "aurochs.regions is missing, but aurochs.record says that the replica was used" },
  { what: "garbage", file: "aurochs.regions", harm: scribble, says: "aurochs.regions: is not a region map" },
  { what: "damaged header", file: "aurochs.regions", harm: (path) => { const bytes = readFileSync(path); bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20); writeFileSync(path, bytes); }, says: "aurochs.regions: the region map's header is damaged" },
]; // prettier-ignore

/** An engine whose replica is a web server: started first, since it waits for a while for a real one. */
async function engineAtHttpServer(): Promise<{ code: number | NodeJS.Signals; output: string }> {
  const server = createHttpServer((_, response) => response.end("a web page")).listen(0, "127.0.0.1");
  await once(server, "listening");
  const replica = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = ["engine", "test", "--size", SIZE, "--replica", replica, "--portal", "127.0.0.1:0"];
  const daemon = startDaemon("bin/aurochs", args);
  t.teardown(() => daemon.child.kill("SIGKILL"));
  const code = await daemon.ended;
  server.close();
  return { code, output: daemon.output() };
}
const atHttpServer = engineAtHttpServer();

t.test("a volume with data", async (t) => {
  mkdirSync(stateDir);
  const volume = await startVolume({ size: SIZE, stateDir });
  const io = await IscsiIo.connect(volume.url);
  await io.write(0, MIB, 7);
  await io.logout();
  whole = volume.info().replicas[0]?.dir ?? "";
  await volume.stop();
  t.match(Object.keys(hashes(whole)), ["aurochs.record", "aurochs.regions", "aurochs.zeros", HEAD, `${HEAD}.meta`, "volume.meta"]); // prettier-ignore
});

t.test("a damaged directory is refused by the name of the file, and left as it is", async (t) => {
  const cases = damages.map((damage, index) => ({ ...damage, directory: join(root, `damaged-${index}`) }));
  for (let at = 0; at < cases.length; at += BATCH) {
    await Promise.all(
      cases.slice(at, at + BATCH).map(async ({ what, file, harm, says, directory }) => {
        copyDirectory(whole, directory);
        harm(join(directory, file));
        const before = hashes(directory);
        const { code, output } = await refusal(directory);
        t.equal(code, EXIT_FAILED, `${file} ${what}`);
        t.match(output, says);
        t.match(output, directory);
        t.strictSame(hashes(directory), before);
      }),
    );
  }
});

t.test("a read-only directory is refused, and left as it is", async (t) => {
  const seen = join(root, "read-only");
  const before = hashes(whole);
  const unmount = mountReadOnly(whole, seen);
  try {
    const { code, output } = await refusal(seen);
    t.equal(code, EXIT_FAILED);
    t.match(output, `cannot lock ${seen}/aurochs.lock: EROFS: read-only file system`);
    t.match(output, "READ_ONLY");
  } finally {
    unmount();
  }
  t.strictSame(hashes(whole), before);
});

t.test("on a full disk nothing starts, nothing is harmed, and with space again all is well", async (t) => {
  const disk = join(root, "disk");
  const unmount = mountSmall(disk, 16 * MIB);
  try {
    const old = join(disk, "old");
    copyDirectory(whole, old);
    const before = hashes(old);
    const filler = fillUp(disk);
    const refused = await refusal(old);
    t.equal(refused.code, EXIT_FAILED);
    t.match(refused.output, /NO_SPACE/);
    t.match(refused.output, `cannot write ${old}/aurochs.record: ENOSPC: no space left on device`);
    t.strictSame(hashes(old), before);
    const fresh = await refusal(join(disk, "fresh"));
    t.equal(fresh.code, EXIT_FAILED);
    t.match(fresh.output, /ENOSPC: no space left on device/);

    rmSync(filler);
    for (const directory of [old, join(disk, "fresh")]) {
      const daemon = await startReplica(directory, "--replica-id", "replica-1");
      await waitFor("the replica to serve", WAIT_MS, () => daemon.output().includes("replica serves") || undefined); // prettier-ignore
      daemon.child.kill("SIGTERM");
      t.equal(await daemon.ended, 0);
    }
  } finally {
    unmount();
  }
});

t.test("beside a replica whose directory is in use, then damaged, the volume serves on", async (t) => {
  const cluster = new Cluster(SIZE);
  try {
    const victim = await cluster.addReplica();
    await cluster.addReplica();
    const engine = await cluster.startEngine();
    const io = await IscsiIo.connect(engine.url());
    t.teardown(() => io.kill());
    const writer = new Writer(io, BLOCKS);
    writer.start();
    await writer.progress(10);

    const second = await startReplica(victim.directory);
    t.equal(await second.ended, EXIT_FAILED);
    t.match(second.output(), `${victim.directory} is in use by another daemon (process ${victim.process.pid})`); // prettier-ignore
    t.match((await engine.status()).replicas, [{ mode: "RW" }, { mode: "RW" }]);

    await cluster.kill(victim.process);
    scribble(join(victim.directory, "volume.meta"));
    const before = hashes(victim.directory);
    cluster.restart(victim);
    t.equal(await victim.process.ended, EXIT_FAILED);
    t.match(victim.process.output(), "volume.meta is not JSON");
    t.strictSame(hashes(victim.directory), before);
    await waitFor("the replica to be given up", WAIT_MS, async () =>
      (await engine.status()).state === "degraded" ? true : undefined,
    );
    await writer.progress(10);
    t.equal(await writer.stop(), null);
    t.strictSame(await writer.mistakes(), []);
    t.match((await engine.status()).replicas, [{ mode: "ERR" }, { mode: "RW" }]);
    await io.logout();
  } finally {
    await cluster.end();
    cluster.remove();
  }
});

t.test("aurochs up over a damaged directory ends and says why; repaired, it has its data", async (t) => {
  const meta = join(whole, "volume.meta");
  const kept = join(root, "volume.meta.kept");
  copyFileSync(meta, kept);
  truncate(meta);
  const before = hashes(whole);
  const portal = `127.0.0.1:${await freePort()}`;
  const args = ["--state-dir", stateDir, "--volume", "test", "--size", SIZE, "--portal", portal];
  const up = startDaemon("bin/aurochs", ["up", ...args]);
  t.teardown(() => up.child.kill("SIGKILL"));
  t.equal(await up.ended, EXIT_FAILED);
  t.match(up.output(), "volume.meta is not JSON");
  t.match(up.output(), "replica-1 ended with code 1; its log says why");
  t.strictSame(hashes(whole), before);
  copyFileSync(kept, meta);
  const volume = await startVolume({ size: SIZE, stateDir });
  const io = await IscsiIo.connect(volume.url);
  t.strictSame(await io.read(0, MIB), [{ version: 7, sectors: MIB / 512 }]);
  await io.logout();
  await volume.stop();
});

t.test("an engine whose replica is a web server says so and ends", async (t) => {
  const { code, output } = await atHttpServer;
  t.equal(code, EXIT_MEMBERSHIP);
  t.match(
    output,
    /gave up waiting .*127\.0\.0\.1:\d+: does not answer \(what listens there does not speak gRPC/,
  );
});
