/** Bytes that no initiator or engine should send, at the ports of a volume that serves another initiator meanwhile. */
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { cdbOf, loginRequest, request, textData } from "../../engine/target/testing/pdus.js";
import type { Initiator } from "../../engine/target/testing/initiator.js";
import { Writer } from "../engine/writer.js";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { withVolume, type RunningVolume } from "../tools/volume.js";
import { damaged, digest, openSession, sendSlowly, sendUntilClosed, type Address } from "./wire.js";

const SIZE = "64MiB";
const WAIT_MS = 60_000;
const HTTP = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** Blocks that the writer uses; what others send is meant for the one after them. */
const BLOCKS = 512;
const BLOCK = 4096;
const TARGET_BLOCK = BLOCKS;

const SLOW_CONNECTIONS = 16;

const OPCODE = { NOP_OUT: 0x00, COMMAND: 0x01, NOP_IN: 0x20, COMMAND_RESPONSE: 0x21, REJECT: 0x3f };
const IMMEDIATE = 0x40;
const FINAL = 0x80;
const WRITE = 0x20;
const REJECT_DATA_DIGEST = 0x02;
const REJECT_PROTOCOL_ERROR = 0x04;

const NAME = "iqn.2014-11.test:broken";
const TARGET = "iqn.2019-10.io.longhorn:test";
const KEYS = { InitiatorName: NAME, TargetName: TARGET };

function portalOf({ port }: RunningVolume): Address {
  return { host: "127.0.0.1", port };
}

/** Waits until the processes have logged `texts` in one line. */
async function logged(volume: RunningVolume, ...texts: string[]): Promise<void> {
  const found = () => volume.up.output().split("\n").some((line) => texts.every((text) => line.includes(text))); // prettier-ignore
  await waitFor(`a line with ${texts.join(" and ")} in the log`, WAIT_MS, () => found() || undefined);
}

/** A ping that the target answers with the same tag. */
function ping(itt: number, cmdSn: number): Buffer {
  return request(OPCODE.NOP_OUT | IMMEDIATE, FINAL, { itt, cmdSn, at20: 0xffff_ffff });
}

/** WRITE(10) of one block with its data in the same PDU. */
function writeCommand(cmdSn: number): Buffer {
  const bhs = request(OPCODE.COMMAND, FINAL | WRITE, { lun: 1, itt: 0x77, cmdSn, at20: BLOCK });
  cdbOf(`2a 00 ${((TARGET_BLOCK * BLOCK) / 512).toString(16).padStart(8, "0")} 00 0008 00`).copy(bhs, 32);
  bhs.writeUIntBE(BLOCK, 5, 3);
  return bhs;
}

/** Takes the unit attention that the first command of a session gets. */
async function takeAttention(session: Initiator): Promise<void> {
  while ((await session.command("00")).status !== 0);
}

/** @returns the opcode, and the reason where it is a reject, of each PDU until the target closed */
async function answersUntilClosed(session: Initiator): Promise<string[]> {
  const answers: string[] = [];
  for (;;) {
    const pdu = await session.next();
    if (pdu === null) return answers;
    answers.push(`${pdu.bhs.readUInt8(0)}/${pdu.bhs.readUInt8(2)}`);
  }
}

async function brokenPdus(t: Test, volume: RunningVolume): Promise<void> {
  const portal = portalOf(volume);
  const wrongHeader = await openSession(portal, { ...KEYS, HeaderDigest: "CRC32C" });
  const right = ping(1, 1);
  wrongHeader.write(Buffer.concat([right, digest(right)]));
  t.equal((await wrongHeader.expect()).bhs.readUInt8(0), OPCODE.NOP_IN, "a right header digest is taken");
  wrongHeader.write(Buffer.concat([right, damaged(digest(right))]));
  t.equal(await wrongHeader.next(), null, "a wrong header digest ends the connection");
  await logged(volume, NAME, "session closed", "header digest error");

  const wrongData = await openSession(portal, { ...KEYS, DataDigest: "CRC32C" });
  const data = Buffer.alloc(BLOCK, "damaged");
  wrongData.write(Buffer.concat([writeCommand(1), data, damaged(digest(data))]));
  const { bhs } = await wrongData.expect();
  t.strictSame([bhs.readUInt8(0), bhs.readUInt8(2)], [OPCODE.REJECT, REJECT_DATA_DIGEST], "a wrong data digest"); // prettier-ignore
  wrongData.close();

  const oversize = await openSession(portal, KEYS);
  const long = ping(1, 1);
  long.writeUIntBE(0xff_ffff, 5, 3);
  oversize.write(long);
  t.strictSame(await answersUntilClosed(oversize), [`${OPCODE.REJECT}/${REJECT_PROTOCOL_ERROR}`], "an oversize data segment"); // prettier-ignore
  await logged(volume, NAME, "session closed", "data segment too long");

  const truncated = await openSession(portal, KEYS);
  truncated.write(Buffer.concat([writeCommand(1), data.subarray(0, 100)]));
  truncated.close();
  await logged(volume, NAME, "session closed", "closed by the initiator");

  const ahead = await openSession(portal, KEYS);
  await takeAttention(ahead);
  for (const cmdSn of [0, 100_000, 0x8000_0000]) ahead.write(Buffer.concat([writeCommand(cmdSn), data]));
  ahead.write(ping(0x99, 2));
  const answer = await ahead.expect();
  t.strictSame([answer.bhs.readUInt8(0), answer.bhs.readUInt32BE(16)], [OPCODE.NOP_IN, 0x99], "a CmdSN outside the window is passed over"); // prettier-ignore
  t.equal((await ahead.command("00")).status, 0, "and the session goes on");
  ahead.close();
}

async function brokenLogins(t: Test, volume: RunningVolume): Promise<void> {
  const portal = portalOf(volume);
  const seed = randomBytes(8);
  const garbage = Buffer.concat(Array.from({ length: 8192 }, () => seed));
  garbage.writeUInt8(0xff, 0); // not a Login Request, whatever the rest
  t.comment(`garbage: ${seed.toString("hex")}`);
  t.equal((await sendUntilClosed(portal, garbage)).length, 0, "garbage");
  t.equal((await sendUntilClosed(portal, HTTP)).length, 0, "HTTP");
  await logged(volume, "connection closed before a login", "not a Login Request in login phase");

  const long = loginRequest({ transit: true, currentStage: 1, nextStage: 3 });
  long.writeUIntBE(0xff_ffff, 5, 3);
  t.equal((await sendUntilClosed(portal, long)).length, 0, "an oversize login");
  await logged(volume, "connection closed before a login", "data segment too long in login phase");

  const stranger = await sendUntilClosed(portal, Buffer.concat([loginRequest({ transit: true, currentStage: 1, nextStage: 3 }), Buffer.alloc(0)])); // prettier-ignore
  t.equal(stranger.readUInt8(36), 2, "a login without a name is the initiator's error");
  await logged(volume, "login refused", "InitiatorName is missing");
}

async function wrongProtocolAtReplicas(t: Test, volume: RunningVolume): Promise<void> {
  for (const { address } of volume.info().replicas) {
    const [host = "", port = ""] = address.split(":");
    const control = { host, port: Number(port) };
    const data = { host, port: control.port + 1 };
    for (const bytes of [HTTP, randomBytes(65_536), loginRequest()]) {
      await sendUntilClosed(control, bytes);
      await sendUntilClosed(data, bytes);
    }
  }
  await logged(volume, '"replica"', "data stream closed", "127.0.0.1");
  t.strictSame(volume.info().replicas.map(({ mode }) => mode), ["RW", "RW"]); // prettier-ignore
}

t.test("what is wrong on the wire is refused, and the initiator beside it sees no error", async (t) => {
  await withVolume({ size: SIZE }, async (volume) => {
    const io = await IscsiIo.connect(volume.url);
    t.teardown(() => io.kill());
    const pids = [volume.info().engine.pid, ...volume.info().replicas.map(({ pid }) => pid)];
    const writer = new Writer(io, BLOCKS);
    writer.start();
    await writer.progress(10);
    const login = Buffer.concat([loginRequest(), textData(KEYS)]);
    const slow = Array.from({ length: SLOW_CONNECTIONS }, () => sendSlowly(portalOf(volume), login, 1_000));

    await brokenPdus(t, volume);
    await brokenLogins(t, volume);
    await wrongProtocolAtReplicas(t, volume);
    await Promise.all(slow);
    await logged(volume, "connection closed before a login", "login timed out");

    await writer.progress(10);
    t.equal(await writer.stop(), null);
    t.strictSame(await writer.mistakes(), []);
    t.strictSame(await io.read(TARGET_BLOCK * BLOCK, BLOCK), [{ version: 0, sectors: 8 }], "nothing of it was written"); // prettier-ignore
    t.strictSame([volume.info().engine.pid, ...volume.info().replicas.map(({ pid }) => pid)], pids, "no process died"); // prettier-ignore
    await io.logout();
  });
});

t.test("only a known initiator with the right secret gets in", async (t) => {
  const secretFile = join(t.testdir(), "secret");
  writeFileSync(secretFile, "a-long-enough-secret\n");
  const known = "iqn.2014-11.test:io";
  const args = ["--chap-user", "user", "--chap-secret-file", secretFile, "--allow-initiator", known];
  await withVolume({ size: SIZE, args }, async (volume) => {
    const as = (user: string) => volume.url.replace("iscsi://", `iscsi://${user}@`);
    const good = await IscsiIo.connect(as("user%a-long-enough-secret"), known);
    t.teardown(() => good.kill());
    const writer = new Writer(good, BLOCKS);
    writer.start();
    await t.rejects(IscsiIo.connect(as("user%another-secret-that-is-wrong"), known));
    await logged(volume, "login refused", "wrong CHAP name or secret");
    await t.rejects(IscsiIo.connect(as("other%a-long-enough-secret"), known));
    await t.rejects(IscsiIo.connect(volume.url, known));
    await logged(volume, "login refused", "authentication was skipped");
    await t.rejects(IscsiIo.connect(as("user%a-long-enough-secret"), "iqn.2014-11.test:stranger")); // prettier-ignore
    await logged(volume, "login refused", "the initiator is not on the access list");
    t.notOk(volume.up.output().includes("a-long-enough-secret"), "no secret in the log");
    await writer.progress(10);
    t.equal(await writer.stop(), null);
    t.strictSame(await writer.mistakes(), []);
    await good.logout();
  });
});
