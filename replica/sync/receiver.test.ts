/** The receiver as a foreign sender sees it: bytes on a socket. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { crc32c } from "../../native/index.js";
import { scratch } from "../scratch.js";
import { changeTimeOf, formatChecksumFile } from "../checksum-file.js";
import { RANGE_BYTES_MAX } from "./limits.js";
import { ReceivedFile } from "./received-file.js";
import { Receiver, type ReceiverOptions } from "./receiver.js";
import { imageOf, makeSparse, silent } from "./testing.js";

const NAME = "volume-snap-a.img";
const BLOCK = 4096;

interface Rig {
  receiver: Receiver;
  path: string;
  /** Sends text and bytes, and waits for the answers to `answers` requests. */
  talk: (bytes: readonly (string | Buffer)[], answers?: number) => Promise<string[]>;
}

async function rig(
  t: Test,
  options: Partial<ReceiverOptions> = {},
  before?: (path: string) => Promise<void>,
): Promise<Rig> {
  const directory = scratch(t);
  await before?.(join(directory, NAME));
  const file = new ReceivedFile(directory, NAME);
  const receiver = await Receiver.start(file, { port: 0, commits: "sender", ...options }, silent);
  const socket = connect(receiver.port, "127.0.0.1");
  socket.on("error", () => undefined);
  t.teardown(async () => {
    socket.destroy();
    await receiver.stop();
  });
  const talk = (bytes: readonly (string | Buffer)[], answers = 1) => {
    const read = answersOf(socket, answers);
    for (const part of bytes) socket.write(part);
    return read;
  };
  return { receiver, path: join(directory, NAME), talk };
}

/** "status body" of each answer. */
function answersOf(socket: Socket, count: number): Promise<string[]> {
  return new Promise((resolve) => {
    let text = "";
    const answers: string[] = [];
    const done = () => {
      socket.off("data", take);
      socket.off("close", done);
      resolve(answers);
    };
    const take = (part: Buffer) => {
      text += part.toString("latin1");
      for (;;) {
        const match = /^HTTP\/1\.1 (\d{3}) [^\r]*\r\n(.*?\r\n)\r\n/is.exec(text);
        if (match === null) break;
        const length = Number(/^content-length: (\d+)\r$/im.exec(match[2] ?? "")?.[1] ?? 0);
        if (text.length < match[0].length + length) break;
        answers.push(`${match[1] ?? ""} ${text.slice(match[0].length, match[0].length + length)}`.trim());
        text = text.slice(match[0].length + length);
      }
      if (answers.length >= count) done();
    };
    socket.on("data", take);
    socket.once("close", done);
  });
}

// As Go's client writes them.
const head =
  "Host: replica:10003\r\nUser-Agent: Go-http-client/1.1\r\nAccept: application/json\r\nAccept-Encoding: gzip\r\n";
const get = (target: string) => `GET /v1-ssync/${target} HTTP/1.1\r\n${head}\r\n`;
const post = (target: string, length = 0) =>
  `POST /v1-ssync/${target} HTTP/1.1\r\nContent-Length: ${length}\r\n${head}\r\n`;

t.test("a whole transfer, request by request", async (t) => {
  const { receiver, path, talk } = await rig(t);
  const data = randomBytes(BLOCK);
  t.strictSame(await talk([get("open?begin=0&directIO=true&end=12288")]), ["200 false"]);
  t.strictSame(await talk([post("sendHole?begin=0&end=4096")]), ["200"]);
  t.strictSame(await talk([post("writeData?begin=4096&end=8192", BLOCK), data]), ["200"]);
  t.strictSame(await talk([get("getChecksum?begin=0&end=4096")]), ["200 null"], "a hole has none");
  t.strictSame(await talk([get("getChecksum?begin=0&end=8192")]), ["200 null"], "nor has what is partly one");
  const expected = JSON.stringify(createHash("sha512").update(data).digest("base64"));
  t.strictSame(await talk([get("getChecksum?begin=4096&end=8192")]), [`200 ${expected}`]);
  t.strictSame(await talk([post("sendHole?begin=8192&end=12288")]), ["200"]);
  t.notOk(existsSync(path));
  t.strictSame(await talk([post("close?checksum=0011223344556677&checksumMethod=crc64")]), ["200"]);
  t.equal((await receiver.ended).end, "closed");
  const { runs } = await imageOf(path);
  t.strictSame(runs, [[BLOCK, BLOCK]]);
  t.strictSame(readFileSync(path).subarray(BLOCK, 2 * BLOCK), data);
  t.strictSame(JSON.parse(readFileSync(`${path}.checksum`, "utf8")), {
    method: "crc64",
    checksum: "0011223344556677",
    change_time: await changeTimeOf(path),
    last_hashed_at: "",
    silently_corrupted: false,
  });
});

t.test("the last extent of a small file passes its end, its content does not", async (t) => {
  const { receiver, path, talk } = await rig(t);
  t.strictSame(await talk([get("open?begin=0&directIO=false&end=14")]), ["200 false"]);
  t.strictSame(await talk([post("writeData?begin=0&end=4096", 14), `{"Parent":""}\n`]), ["200"]);
  t.strictSame(await talk([post("close?checksum=&checksumMethod=")]), ["200"]);
  t.equal((await receiver.ended).end, "closed");
  t.equal(readFileSync(path, "utf8"), `{"Parent":""}\n`);
  t.notOk(existsSync(`${path}.checksum`));
});

t.test("data whose CRC32C is not the one that came with them are refused, and not written", async (t) => {
  const { receiver, path, talk } = await rig(t);
  const data = Buffer.alloc(BLOCK, 1);
  const withCrc = (crc: string) =>
    post("writeData?begin=0&end=4096", BLOCK).replace("\r\n\r\n", `\r\nx-aurochs-crc32c: ${crc}\r\n\r\n`);
  t.strictSame(await talk([get("open?begin=0&directIO=true&end=4096")]), ["200 false"]);
  const right = crc32c(data).toString(16).padStart(8, "0");
  t.match(await talk([withCrc("00000000"), data]), [
    /^500 CRC32C [0-9a-f]{8} of 4096 bytes is not 00000000$/,
  ]);
  t.ok(readFileSync(`${path}.receiving`).every((byte) => byte === 0));
  t.strictSame(await talk([withCrc(right), data]), ["200"]);
  t.strictSame(await talk([post("close?checksum=&checksumMethod=")]), ["200"]);
  t.equal((await receiver.ended).end, "closed");
  t.ok(readFileSync(path).equals(data));
});

t.test("close before all has come is refused, and the receiver ends", async (t) => {
  const { receiver, path, talk } = await rig(t);
  t.strictSame(await talk([get("open?begin=0&directIO=true&end=8192")]), ["200 false"]);
  t.strictSame(await talk([post("writeData?begin=0&end=4096", BLOCK), Buffer.alloc(BLOCK, 1)]), ["200"]);
  t.strictSame(await talk([post("close?checksum=0011223344556677&checksumMethod=crc64")]), [
    `500 ${NAME} is incomplete: byte 4096 was never received`,
  ]);
  t.equal((await receiver.ended).end, "failed");
  t.notOk(existsSync(path));
  t.notOk(existsSync(`${path}.checksum`));
});

t.test("a file that is there is said to be there, and what is recorded of it", async (t) => {
  const { path, talk } = await rig(t, {}, (path) => makeSparse(path, 2 * BLOCK, [[0, BLOCK]]));
  t.strictSame(await talk([get("getRecordedMetadata")]), [
    `404 open ${NAME}.checksum: no such file or directory`,
  ]);
  const recorded = { method: "crc64", checksum: "ab", lastHashedAt: "", silentlyCorrupted: false };
  const text = formatChecksumFile({ ...recorded, changeTime: await changeTimeOf(path) });
  writeFileSync(`${path}.checksum`, text);
  t.strictSame(await talk([get("getRecordedMetadata")]), [`200 ${text.trim()}`]);
  writeFileSync(
    `${path}.checksum`,
    formatChecksumFile({ ...recorded, changeTime: "2026-01-02 03:04:05 +0000 UTC" }),
  );
  t.match(await talk([get("getRecordedMetadata")]), [
    /^500 disk file volume-snap-a\.img is changed \(current/,
  ]);
  t.strictSame(await talk([get("open?begin=0&directIO=true&end=8192")]), ["200 true"]);
});

t.test("wrong requests are answered with what is wrong, and change nothing", async (t) => {
  const { path, talk } = await rig(t);
  const rows: [string, RegExp][] = [
    [get("nothing"), /^404 404 page not found$/],
    [get("../open"), /^404/],
    [post("open?begin=0&directIO=true&end=0"), /^405$/],
    [get("close"), /^405$/],
    [post("sendHole?begin=0&end=4096"), /^500 volume-snap-a\.img is not open$/],
    [get("open?begin=0&end=8192"), /^500 failed to parse directIO ""$/],
    [get("open?directIO=true"), /^500 queryParams begin or end does not exist$/],
    [get("open?begin=0&directIO=true&end=100"), /^500 invalid file size 100 for directIO$/],
    [get("open?begin=0&directIO=true&end=-1"), /^500 failed to parse end "-1"$/],
    [get("open?begin=0&directIO=true&end=99999999999999999999"), /^500 failed to parse end/],
    [get("open?begin=0&directIO=true&end=8192"), /^200 false$/],
    [get("open?begin=0&directIO=true&end=8192"), /^200 false$/],
    [get("open?begin=0&directIO=true&end=4096"), /^500 volume-snap-a\.img is open with 8192 bytes$/],
    [post("sendHole?begin=8192&end=4096"), /^500 end 4096 is before begin 8192$/],
    [
      post("sendHole?begin=0&end=1073741824"),
      /^500 range 0-1073741824 passes the end of the file \(8192 bytes\)$/,
    ],
    [post("writeData?begin=0&end=8192"), /^500 received 0 bytes for the 8192 bytes from 0$/],
    [get(`getChecksum?begin=0&end=${String(RANGE_BYTES_MAX + BLOCK)}`), /^500 range .* passes the end/],
  ];
  for (const [request, expected] of rows)
    t.match(await talk([request]), [expected], request.split("\r")[0] ?? "");
  t.notOk(existsSync(path));
});

t.test("a body that is too long is not taken", async (t) => {
  const { talk } = await rig(t);
  await talk([get("open?begin=0&directIO=true&end=1073741824")]);
  const length = RANGE_BYTES_MAX + BLOCK;
  const [answer] = await talk([
    post(`writeData?begin=0&end=${String(length)}`, length),
    Buffer.alloc(length),
  ]);
  t.match(answer, /^500 a body of more than \d+ bytes is not accepted$/);
});

t.test("a sender that dies in the middle of a body leaves no file", async (t) => {
  const { receiver, path, talk } = await rig(t, { idleMs: 50 });
  await talk([get("open?begin=0&directIO=true&end=8192")]);
  const socket = connect(receiver.port, "127.0.0.1");
  socket.write(post("writeData?begin=0&end=8192", 8192));
  socket.write(Buffer.alloc(BLOCK), () => socket.destroy());
  t.equal((await receiver.ended).end, "idle", "it ends when nobody asks for long enough");
  t.notOk(existsSync(path));
});
