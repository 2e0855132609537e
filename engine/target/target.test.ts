import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import t, { type Test } from "tap";
import { PORTAL_RETRY_MS } from "./limits.js";
import type { IscsiTargetOptions } from "./target.js";
import { Initiator, NAME } from "./testing/initiator.js";
import { IQN, openRig, VOLUME_SIZE, type Rig } from "./testing/rig.js";

const OTHER = "iqn.1993-08.org.debian:01:other";
const READ10 = "28 00 00000000 00 0008 00";
const WRITE10 = "2a 00 00000000 00 0008 00";
const BLOCKS = Buffer.alloc(4096, 0x5a);
const CONFLICT = 0x18;

async function rigFor(test: Test, change: Partial<IscsiTargetOptions> = {}, host?: string): Promise<Rig> {
  const rig = await openRig(change, host);
  test.teardown(() => rig.close());
  return rig;
}

async function open(test: Test, rig: Rig, name?: string, isid?: string): Promise<Initiator> {
  const initiator = await Initiator.open(rig.portal, name, isid);
  test.teardown(() => initiator.close());
  return initiator;
}

function parameters(key: number, actionKey: number, persistent = false): Buffer {
  const list = Buffer.alloc(24);
  list.writeBigUInt64BE(BigInt(key), 0);
  list.writeBigUInt64BE(BigInt(actionKey), 8);
  list.writeUInt8(persistent ? 1 : 0, 20);
  return list;
}
const REGISTER = "5f 00 00 00 00 00000018 00";
const RESERVE_EXCLUSIVE = "5f 01 03 00 00 00000018 00";

t.test("what is written is read back, and the disk says who and how large it is", async (t) => {
  const rig = await rigFor(t);
  const initiator = await open(t, rig);
  const data = randomBytes(4096);
  t.equal((await initiator.command(WRITE10, data)).status, 0);
  t.same((await initiator.command(READ10)).data, data);
  t.equal((await initiator.command("25")).data.readUInt32BE(0), VOLUME_SIZE / 512 - 1);
  t.match((await initiator.command("12 00 00 0060")).data.toString("latin1", 8, 16), "AUROCHS");
  const status = (await initiator.command("9e 12 0000000000000000 00000020")).data;
  t.equal(status.readUInt32BE(16), 8, "eight blocks are mapped");
  t.match(rig.target.sessions(), [{ initiatorName: NAME, session: "normal" }]);
});

t.test("the first command hears of the power on", async (t) => {
  const rig = await rigFor(t);
  const initiator = await Initiator.connect(rig.portal);
  t.teardown(() => initiator.close());
  await initiator.login({ InitiatorName: NAME, TargetName: IQN });
  t.equal((await initiator.command(READ10)).sense, "6/29/0");
  t.equal((await initiator.command(READ10)).status, 0);
});

t.test("logging in again with the same ISID ends the older session, another ISID does not", async (t) => {
  const rig = await rigFor(t);
  const older = await open(t, rig);
  const sibling = await open(t, rig, NAME, "00023d000002");
  const newer = await open(t, rig);
  t.equal(await older.next(), null, "closed");
  t.equal((await sibling.command("00")).status, 0);
  t.equal((await newer.command("00")).status, 0);
  t.equal(rig.target.sessions().length, 2);
});

t.test("of two logins at once with the same ISID only the later one gets a session", async (t) => {
  const rig = await rigFor(t);
  const older = await open(t, rig);
  await rig.volume.quiesce();
  older.startCommand(WRITE10, BLOCKS);
  while (rig.target.sessions()[0]?.openTasks !== 1) await sleep(1);
  const [first, second] = [await Initiator.connect(rig.portal), await Initiator.connect(rig.portal)];
  t.teardown(() => [first, second].forEach((initiator) => initiator.close()));
  const keys = { InitiatorName: NAME, TargetName: IQN };
  const ended = t.rejects(first.login(keys), /closed the connection/);
  t.equal(await older.next(), null, "closed, and its write is under way still");
  t.equal((await second.login(keys)).status, 0);
  await rig.volume.resume();
  await ended;
  t.equal(rig.target.sessions().length, 1);
});

t.test("a refused login closes the connection, others go on", async (t) => {
  const rig = await rigFor(t, { acl: [NAME] });
  const good = await open(t, rig);
  const stranger = await Initiator.connect(rig.portal);
  t.equal((await stranger.login({ InitiatorName: OTHER, TargetName: IQN })).status, 0x0202);
  t.equal(await stranger.next(), null);
  const web = await Initiator.connect(rig.portal);
  web.write("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".padEnd(512, "x"));
  while ((await web.next()) !== null);
  t.equal((await good.command(READ10)).status, 0);
});

t.test("discovery tells the address that was connected to, in either family", async (t) => {
  for (const [host, address] of [
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "[::1]"],
  ] as const) {
    const rig = await rigFor(t, { portals: [] }, host);
    const initiator = await Initiator.connect(rig.portal);
    t.teardown(() => initiator.close());
    t.equal((await initiator.login({ InitiatorName: NAME, SessionType: "Discovery" })).status, 0);
    const text = (await initiator.text({ SendTargets: "All" })).toString();
    t.equal(text, `TargetName=${IQN}\0TargetAddress=${address}:${rig.portal.port},1\0`);
    t.equal(await initiator.logout(), 0);
    t.equal(await initiator.next(), null);
  }
});

t.test(
  "a persistent reservation keeps another initiator's reads and writes out, in every path",
  async (t) => {
    const rig = await rigFor(t);
    const holder = await open(t, rig);
    const other = await open(t, rig, OTHER);
    t.equal((await holder.command(REGISTER, parameters(0, 7))).status, 0);
    t.equal((await holder.command(RESERVE_EXCLUSIVE, parameters(7, 0))).status, 0);
    t.equal((await other.command(WRITE10, BLOCKS)).status, CONFLICT);
    t.equal((await other.command(READ10)).status, CONFLICT);
    t.equal((await other.command("00")).status, 0, "TEST UNIT READY is allowed");
    t.equal((await holder.command(WRITE10, BLOCKS)).status, 0);
    t.equal((await holder.command("5f 03 00 00 00 00000018 00", parameters(7, 0))).status, 0, "CLEAR");
    t.equal((await other.command(WRITE10, BLOCKS)).status, 0);
  },
);

t.test("reservations with APTPL outlive the target", async (t) => {
  const first = await openRig();
  const holder = await Initiator.open(first.portal);
  await holder.command(REGISTER, parameters(0, 7, true));
  t.equal((await holder.command(RESERVE_EXCLUSIVE, parameters(7, 0))).status, 0);
  holder.close();
  await first.close();
  const rig = await rigFor(t, { savedReservations: first.saved() });
  t.equal((await (await open(t, rig, OTHER)).command(WRITE10, BLOCKS)).status, CONFLICT);
  t.equal((await (await open(t, rig)).command(WRITE10, BLOCKS)).status, 0);
});

t.test("software write protection reaches the data path", async (t) => {
  const rig = await rigFor(t);
  const initiator = await open(t, rig);
  const control = (swp: number): Buffer =>
    Buffer.from([0, 0, 0, 0, 0x0a, 0x0a, 0x02, 0x10, swp, 0, 0, 0, 0, 0, 0, 0]);
  t.equal((await initiator.command("15 10 00 00 10", control(8))).status, 0);
  t.equal((await initiator.command(WRITE10, BLOCKS)).sense, "7/27/0");
  t.equal((await initiator.command(READ10)).status, 0);
  t.equal((await initiator.command("15 10 00 00 10", control(0))).status, 0);
  t.equal((await initiator.command(WRITE10, BLOCKS)).status, 0);
});

t.test("a logical unit reset is answered and told on all paths", async (t) => {
  const rig = await rigFor(t);
  const one = await open(t, rig);
  const two = await open(t, rig, OTHER);
  t.equal(await one.taskManagement(5), 0);
  t.equal((await one.command(READ10)).sense, "6/29/3");
  t.equal((await two.command(READ10)).sense, "6/29/3");
  t.equal((await two.command(READ10)).status, 0);
  t.equal(await one.taskManagement(5, 4), 2, "there is no such logical unit");
  t.equal(await one.taskManagement(1, 1, 0x9999), 1, "there is no such task");
  t.equal(await one.taskManagement(8), 4);
});

t.test("a target cold reset ends every session after its answer", async (t) => {
  const rig = await rigFor(t);
  const one = await open(t, rig);
  const two = await open(t, rig, OTHER);
  t.equal(await one.taskManagement(7), 0);
  t.equal(await one.next(), null);
  t.equal(await two.next(), null);
  t.equal((await (await open(t, rig)).command(READ10)).status, 0);
});

t.test("a nexus lost is told at the next login, and its RESERVE is gone", async (t) => {
  const rig = await rigFor(t);
  const other = await open(t, rig, OTHER);
  const one = await open(t, rig);
  t.equal((await one.command("16", Buffer.alloc(0))).status, 0);
  t.equal((await other.command(READ10)).status, CONFLICT);
  t.equal(await one.logout(), 0);
  t.equal(await one.next(), null);
  const again = await Initiator.connect(rig.portal);
  t.teardown(() => again.close());
  await again.login({ InitiatorName: NAME, TargetName: IQN });
  t.equal((await again.command("00")).sense, "6/29/7");
  t.equal((await other.command(READ10)).status, 0);
});

t.test("a new size is a unit attention", async (t) => {
  const rig = await rigFor(t);
  const initiator = await open(t, rig);
  rig.target.capacityChanged(2 * VOLUME_SIZE);
  t.equal((await initiator.command("25")).sense, "6/2a/9");
  t.equal((await initiator.command("25")).data.readUInt32BE(0), (2 * VOLUME_SIZE) / 512 - 1);
});

/** Suspends the target, and takes its portal. @returns what leaves it */
async function takePortal(test: Test, { target, portal }: Rig): Promise<() => Promise<unknown>> {
  await target.suspend();
  const other = createServer((socket) => socket.destroy()).listen(portal.port, portal.host);
  test.teardown(() => other.close());
  await once(other, "listening");
  return () => once(other.close(), "close");
}

t.test(
  "who is logged in goes on although somebody took the portal, which is got back when it is free",
  async (t) => {
    const rig = await rigFor(t);
    const initiator = await open(t, rig);
    const leave = await takePortal(t, rig);
    const answer = initiator.command(READ10);
    rig.target.resume();
    t.equal((await answer).status, 0);
    await t.rejects(Initiator.open(rig.portal, OTHER), "somebody else is there");
    await leave();
    await sleep(2 * PORTAL_RETRY_MS);
    t.equal((await (await open(t, rig, OTHER)).command(READ10)).status, 0);
  },
);

t.test("a target that is suspended again does not take its portal back", async (t) => {
  const rig = await rigFor(t);
  const leave = await takePortal(t, rig);
  rig.target.resume();
  await rig.target.suspend();
  await leave();
  await sleep(2 * PORTAL_RETRY_MS);
  await t.rejects(Initiator.connect(rig.portal), { code: "ECONNREFUSED" });
});

t.test("on shutdown initiators are asked to log out, and need not wait when they did", async (t) => {
  const rig = await openRig();
  const initiator = await Initiator.open(rig.portal);
  const closed = rig.close();
  const { bhs } = await initiator.expect();
  t.equal(bhs.readUInt8(0), 0x32, "an asynchronous message");
  t.equal(bhs.readUInt8(36), 1, "that asks for a logout");
  t.equal(await initiator.logout(), 0);
  t.equal(await initiator.next(), null);
  await closed;
});
