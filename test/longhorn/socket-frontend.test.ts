/** The `socket` frontend: a volume over Longhorn's data protocol at a unix socket. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { run } from "../tools/process.js";
import { Dataconn, TYPE } from "../tools/dataconn.js";
import { CALL, Rig, VOLUME } from "./rig.js";

const FRONTEND = { frontend: "socket" };
const data = Buffer.alloc(8192, "aurochs");

async function rigIn(t: Test): Promise<{ rig: Rig; path: string }> {
  const rig = new Rig(t);
  // The path of a socket is short.
  rig.runDirectory = mkdtempSync(join(tmpdir(), "aurochs-"));
  t.teardown(() => rmSync(rig.runDirectory, { recursive: true }));
  await rig.volume(2);
  return { rig, path: join(rig.runDirectory, `longhorn-${VOLUME}.sock`) };
}

t.test("what is written through the socket is on all replicas, and it is read again", async (t) => {
  const { rig, path } = await rigIn(t);
  t.match(await rig.calls.volumeFrontendStart(FRONTEND, CALL), { frontendState: "up", endpoint: path });
  const client = await Dataconn.open({ path });
  t.match(await client.ask(TYPE.WRITE, 4096, data.length, data), { type: TYPE.RESPONSE, size: data.length });
  for (const twin of rig.twins)
    t.ok(data.equals(twin.backend.content.subarray(4096, 4096 + data.length)), "on every replica");
  t.ok((await client.ask(TYPE.READ, 4608, 512)).data.equals(data.subarray(512, 1024)));
  t.match(await client.ask(TYPE.UNMAP, 4096, 4096), { type: TYPE.RESPONSE });
  t.ok((await client.ask(TYPE.READ, 4096, 4096)).data.equals(Buffer.alloc(4096)));
  client.close();
});

t.test(
  "metrics tell of the last second, latencies in nanoseconds, and of nothing when nothing is done",
  async (t) => {
    const { rig, path } = await rigIn(t);
    await rig.calls.volumeFrontendStart(FRONTEND, CALL);
    const metrics = async () => (await rig.calls.metricsGet({}, CALL)).metrics;
    const idle = { readIOPS: 0, writeIOPS: 0, readThroughput: 0, writeThroughput: 0, readLatency: 0, writeLatency: 0 }; // prettier-ignore
    t.match(await metrics(), idle);
    const client = await Dataconn.open({ path });
    let seen = await metrics();
    while (seen === null || seen.writeIOPS === 0 || seen.readIOPS === 0) {
      await client.ask(TYPE.WRITE, 4096, data.length, data);
      await client.ask(TYPE.READ, 4096, data.length);
      seen = await metrics();
    }
    client.close();
    t.equal(seen.writeThroughput, seen.writeIOPS * data.length);
    // Each was asked for after the one before was answered.
    const took = seen.writeLatency * seen.writeIOPS + seen.readLatency * seen.readIOPS;
    t.ok(seen.writeLatency > 1_000 && seen.readLatency > 1_000 && took < 2e9, JSON.stringify(seen));
    while (seen === null || seen.writeIOPS > 0 || seen.readIOPS > 0) {
      await sleep(100);
      seen = await metrics();
    }
    t.match(seen, idle);
  },
);

t.test("shut down, its clients are gone and so is the file; started again, the data are there", async (t) => {
  const { rig, path } = await rigIn(t);
  await rig.calls.volumeFrontendStart(FRONTEND, CALL);
  const client = await Dataconn.open({ path });
  await client.ask(TYPE.WRITE, 0, data.length, data);
  const farewell = client.ask(TYPE.CLOSE, 0, 0);
  t.match(await rig.calls.volumeFrontendShutdown({}, CALL), { frontendState: "down", endpoint: "" });
  t.match(await farewell, { type: TYPE.CLOSE, magic: 0 });
  t.notOk(existsSync(path));
  await rig.calls.volumeFrontendStart(FRONTEND, CALL);
  const next = await Dataconn.open({ path });
  t.ok((await next.ask(TYPE.READ, 0, data.length)).data.equals(data));
  next.close();
});

t.test("the socket of an engine that was killed is replaced", async (t) => {
  const { rig, path } = await rigIn(t);
  await run(process.execPath, [
    "-e",
    `require("net").createServer().listen(${JSON.stringify(path)}, () => process.exit(0))`,
  ]);
  t.ok(existsSync(path));
  t.match(await rig.calls.volumeFrontendStart(FRONTEND, CALL), { frontendState: "up" });
  const client = await Dataconn.open({ path });
  t.match(await client.ask(TYPE.PING, 0, 0), { type: TYPE.RESPONSE });
  client.close();
});

t.test("a socket that is served, and a file that is none, are left alone", async (t) => {
  const { rig, path } = await rigIn(t);
  const server = await new Promise<Server>((resolve) => {
    const other = createServer().listen(path, () => resolve(other));
  });
  await t.rejects(rig.calls.volumeFrontendStart(FRONTEND, CALL), {
    message: /another process serves .*\.sock/,
  });
  t.match(await rig.calls.volumeGet({}, CALL), { frontendState: "down", endpoint: "" });
  await new Promise((resolve) => server.close(resolve));
  writeFileSync(path, "precious");
  await t.rejects(rig.calls.volumeFrontendStart(FRONTEND, CALL), { message: /is there and is no socket/ });
  t.ok(existsSync(path));
});
