/** Both ends of the file sync protocol against each other. */
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { existsSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { copyFile, link, open, readFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import t from "tap";
import { sendFile } from "../../native/index.js";
import { scratch } from "../scratch.js";
import { changeTimeOf, currentChecksum, writeRecordedChecksum } from "../checksum-file.js";
import { EXTENTS_HEADER } from "./extents.js";
import { FRAMES_HEADER } from "./frames.js";
import { hashFile } from "./hash-file.js";
import { RateLimit } from "./rate-limit.js";
import { isPartial, ReceivedFile } from "./received-file.js";
import { Receiver, type ReceiverEnd } from "./receiver.js";
import { sendSource, type SendOptions } from "./sender.js";
import { openFileSource, type Source } from "./source.js";
import { diskUnder, imageOf, makeSparse, silent } from "./testing.js";

const NAME = "volume-snap-a.img";
const KIB = 1 << 10;
const MIB = 1 << 20;

interface Transfer {
  from: string;
  to: string;
  name?: string;
  fastSync?: boolean;
  commits?: "sender" | "owner";
  /** in the place of the file itself */
  source?: (file: Source) => Source;
  /** what the receiver says that it takes beyond Longhorn's requests; by frames nothing is between the ends */
  takes?: "nothing" | "extents" | "frames";
  rate?: RateLimit;
}

interface Outcome {
  sent: "sent" | "skipped" | Error;
  end: ReceiverEnd;
  file: ReceivedFile;
  progress: number;
  /** bytes that came as data */
  written: number;
  /** requests by name */
  asked: Record<string, number>;
}

async function transfer({
  from,
  to,
  name = NAME,
  fastSync = false,
  commits = "sender",
  source = (s) => s,
  takes = "extents",
  rate = new RateLimit({ rate: null }),
}: Transfer): Promise<Outcome> {
  let progress = 0;
  const file = new ReceivedFile(to, name, (bytes) => (progress += bytes));
  let written = 0;
  const write = file.write.bind(file);
  file.write = (range, data) => {
    written += data.length;
    return write(range, data);
  };
  const writeExtents = file.writeExtents.bind(file);
  file.writeExtents = (range, body) => {
    written += body.data.length;
    return writeExtents(range, body);
  };
  const receiver = await Receiver.start(file, { port: 0, commits }, silent);
  const asked: Outcome["asked"] = {};
  const between = await listenBetween(receiver.port, takes, asked);
  const opened = await openFileSource(from, name);
  const options: SendOptions = {
    host: "127.0.0.1",
    port: takes === "frames" ? receiver.port : between.port,
    timeoutSeconds: 5,
    directIo: !name.endsWith(".meta"),
    recorded: () => currentChecksum(join(from, name)),
    fastSync,
    rate,
  };
  const sent = await sendSource(source(opened), options).catch((error: unknown) => error as Error);
  await opened.close();
  if (sent instanceof Error) await receiver.stop();
  const end = await receiver.ended;
  between.server.close();
  return { sent, end, file, progress, written, asked };
}

/** Passes requests on and counts them, and what answers say of the receiver only as far as wanted. */
async function listenBetween(port: number, takes: Transfer["takes"], asked: Outcome["asked"]) {
  const unsaid = takes === "extents" ? [FRAMES_HEADER] : [FRAMES_HEADER, EXTENTS_HEADER];
  const server = createServer((request, response) => {
    const name = /^\/v1-ssync\/(\w+)/.exec(request.url ?? "")?.[1] ?? "";
    asked[name] = (asked[name] ?? 0) + 1;
    const { method, url: path, headers } = request;
    const onward = httpRequest({ host: "127.0.0.1", port, method, path, headers }, (answer) => {
      const said = Object.entries(answer.headers).filter(([key]) => !unsaid.includes(key));
      response.writeHead(answer.statusCode ?? 0, Object.fromEntries(said));
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    request.pipe(onward);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return { server, port: (server.address() as AddressInfo).port };
}

t.test("a sparse file arrives with its holes and its data, and only then under its name", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), 16 * MIB, [
    [4 * KIB, 4 * KIB],
    [3 * MIB, 5 * MIB],
    [16 * MIB - 4 * KIB, 4 * KIB],
  ]);
  const seen: boolean[] = [];
  const watched = (source: Source): Source => ({
    ...source,
    async *pieces() {
      for await (const piece of source.pieces()) {
        seen.push(existsSync(join(to, NAME)));
        yield piece;
      }
    },
  });
  const { sent, end, progress } = await transfer({ from, to, source: watched });
  t.equal(sent, "sent");
  t.equal(end.end, "closed");
  t.equal(progress, 5 * MIB + 8 * KIB);
  t.notOk(seen.includes(true), "the name is free until the end");
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
  t.notOk(existsSync(join(to, `${NAME}.receiving`)));
});

t.test(
  "between two of ours, data go by frames where the file is new, and only what differs where it is not",
  async (t) => {
    const [from, to] = [scratch(t), scratch(t)];
    await makeSparse(join(from, NAME), 32 * MIB, [
      [4 * KIB, 4 * KIB],
      [3 * MIB, 17 * MIB],
      [32 * MIB - 4 * KIB, 4 * KIB],
    ]);
    const first = await transfer({ from, to, takes: "frames" });
    t.equal(first.sent, "sent");
    t.equal(first.end.end, "closed");
    t.equal(first.written, 0, "nothing came by HTTP");
    t.equal(first.progress, 17 * MIB + 8 * KIB);
    t.strictSame(first.file.transferred, { receivedBytes: 17 * MIB + 8 * KIB, reusedBytes: 0 });
    t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
    t.notOk(existsSync(join(to, `${NAME}.receiving`)));

    const changed = await open(join(from, NAME), "r+");
    await changed.write(Buffer.alloc(4 * KIB, 7), 0, 4 * KIB, 5 * MIB);
    await changed.close();
    const again = await transfer({ from, to, takes: "frames" });
    t.equal(again.written, 2 * MIB, "one batch");
    t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
  },
);

t.test("over an empty file data go by frames, in place", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), 4 * MIB, [[MIB, 2 * MIB]]);
  await makeSparse(join(to, NAME), 8 * MIB, []);
  const { ino } = statSync(join(to, NAME));
  const { sent, written, progress } = await transfer({ from, to, takes: "frames" });
  t.strictSame([sent, written, progress], ["sent", 0, 2 * MIB]);
  t.equal(statSync(join(to, NAME)).ino, ino, "the file is the same one");
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
  t.notOk(existsSync(join(to, `${NAME}.receiving`)));
});

t.test(
  "an end that dies while frames are sent leaves no file, and the next transfer goes on with what came",
  async (t) => {
    for (const dies of ["sender", "receiver"]) {
      const [from, to] = [scratch(t), scratch(t)];
      await makeSparse(join(from, NAME), 32 * MIB, [[0, 32 * MIB]]);
      let received = 0;
      let halfCame: () => void = () => undefined;
      const half = new Promise<void>((resolve) => (halfCame = resolve));
      const file = new ReceivedFile(to, NAME, (bytes) => (received += bytes) >= 16 * MIB && halfCame());
      const receiver = await Receiver.start(file, { port: 0, commits: "sender" }, silent);
      const url = `http://127.0.0.1:${receiver.port}/v1-ssync`;
      t.equal(await (await fetch(`${url}/open?begin=0&end=${32 * MIB}&directIO=true`)).text(), "false");
      const source = await openFileSource(from, NAME);
      const there = { host: "127.0.0.1", port: receiver.port, timeoutMs: 5_000, endTimeoutMs: 5_000 };
      const { sent, allow, cancel } = sendFile(source.fd ?? -1, source.size, there, () => undefined);
      allow(16 * MIB);
      await half;
      const rejected = t.rejects(sent, { code: dies === "sender" ? "ABORTED" : "IO_ERROR" });
      if (dies === "sender") cancel();
      else await receiver.stop();
      allow(16 * MIB);
      await rejected;
      await source.close();
      if (dies === "sender") {
        const answer = await fetch(`${url}/close?checksum=&checksumMethod=`, { method: "POST" });
        t.equal(answer.status, 500, "it is not believed that this was all");
        t.match(await receiver.ended, { error: { message: /^receive: / } });
      }
      t.notOk(existsSync(join(to, NAME)));
      t.ok(existsSync(join(to, `${NAME}.receiving`)));

      const again = await transfer({ from, to });
      t.equal(again.sent, "sent");
      t.equal(again.file.transferred.reusedBytes, 16 * MIB, "what was there did not come again");
      t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
    }
  },
);

t.test("frames go at the rate allowed", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), 32 * MIB, [[0, 32 * MIB]]);
  // Time passes only for whoever waits for it.
  let now = 0;
  const wait = (ms: number) => Promise.resolve((now += ms));
  const rate = new RateLimit({ rate: 16 * MIB, now: () => now, wait });
  t.equal((await transfer({ from, to, takes: "frames", rate })).sent, "sent");
  t.ok(now >= 1_900, `two seconds' data took ${now} ms`);
});

t.test("random layouts arrive as they are, over a file that was there before or none", async (t) => {
  const blocks = 64;
  const layout = fc.array(fc.constantFrom("hole", "data"), { minLength: blocks, maxLength: blocks });
  const runs = (kinds: readonly string[]) =>
    kinds.flatMap((kind, i): [number, number][] => (kind === "data" ? [[i * 4 * KIB, 4 * KIB]] : []));
  await fc.assert(
    fc.asyncProperty(
      layout,
      fc.option(layout),
      fc.constantFrom("extents", "frames"),
      async (wanted, before, takes) => {
        const [from, to] = [scratch(t), scratch(t)];
        await makeSparse(join(from, NAME), blocks * 4 * KIB, runs(wanted));
        if (before !== null) await makeSparse(join(to, NAME), blocks * 4 * KIB, runs(before));
        t.equal((await transfer({ from, to, takes })).sent, "sent");
        t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
      },
    ),
    { numRuns: 15 },
  );
});

t.test("short extents come together, or one by one where the receiver is Longhorn's", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const blocks = Array.from({ length: 100 }, (_, i): [number, number] => [(2 * i + 1) * 4 * KIB, 4 * KIB]);
  await makeSparse(join(from, NAME), MIB, blocks);
  const ours = await transfer({ from, to });
  t.strictSame(ours.asked, { open: 1, sendHole: 2, writeExtents: 1, close: 1 });
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
  const again = await transfer({ from, to });
  t.strictSame(again.asked, { open: 1, sendHole: 2, checkExtents: 1, close: 1 });
  t.equal(again.written, 0);

  const other = scratch(t);
  const { asked } = await transfer({ from, to: other, takes: "nothing" });
  t.strictSame(asked, { open: 1, sendHole: 101, writeData: 100, close: 1 });
  t.strictSame(await imageOf(join(other, NAME)), await imageOf(join(from, NAME)));
});

t.test("over a file that was there, only what differs is written", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), 8 * MIB, [[0, 8 * MIB]]);
  await transfer({ from, to });
  const changed = await open(join(from, NAME), "r+");
  await changed.write(Buffer.alloc(4 * KIB, 7), 0, 4 * KIB, 5 * MIB);
  await changed.close();
  const { ino } = statSync(join(to, NAME));
  const { sent, written } = await transfer({ from, to });
  t.equal(sent, "sent");
  t.equal(statSync(join(to, NAME)).ino, ino, "the file is the same one");
  t.equal(written, 2 * MIB, "one batch");
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
});

t.test("a small file that is no multiple of a block arrives, over an older one too", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const name = `${NAME}.meta`;
  for (const text of [`{"Parent":""}\n`, `{"Parent":"volume-snap-b.img"}\n`]) {
    writeFileSync(join(from, name), text);
    const { sent, end } = await transfer({ from, to, name });
    t.equal(sent, "sent");
    t.equal(end.end, "closed");
    t.equal(await readFile(join(to, name), "utf8"), text);
  }
});

t.test("a transfer that breaks off leaves no file, and the next one goes on with what came", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), 16 * MIB, [[0, 16 * MIB]]);
  const broken = (source: Source): Source => ({
    ...source,
    async *pieces() {
      for await (const piece of source.pieces()) {
        if (piece.offset >= 8 * MIB) throw new Error("the disk failed");
        yield piece;
      }
    },
  });
  const { sent, end } = await transfer({ from, to, source: broken });
  t.match(sent, { message: "the disk failed" });
  t.equal(end.end, "failed", "a sender that says it is done is not believed");
  t.match(end, { error: { message: /^volume-snap-a\.img is incomplete: byte \d+ was never received$/ } });
  t.notOk(existsSync(join(to, NAME)));
  t.ok(existsSync(join(to, `${NAME}.receiving`)));

  const again = await transfer({ from, to });
  t.equal(again.sent, "sent");
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
  t.notOk(existsSync(join(to, `${NAME}.receiving`)));
});

t.test("over a file that was there, a transfer that breaks off leaves a mark beside it", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), 8 * MIB, [[0, 8 * MIB]]);
  await makeSparse(join(to, NAME), 8 * MIB, [[0, 8 * MIB]]);
  const broken = (source: Source): Source => ({
    ...source,
    async *pieces() {
      for await (const piece of source.pieces()) {
        if (piece.offset >= 4 * MIB) throw new Error("the disk failed");
        yield piece;
      }
    },
  });
  await transfer({ from, to, source: broken });
  t.ok(existsSync(join(to, `${NAME}.receiving`)));
  await transfer({ from, to });
  t.notOk(existsSync(join(to, `${NAME}.receiving`)));
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
});

t.test(
  "over a file that was there, what could not be written is not taken for what was told of it",
  async (t) => {
    const [from, to] = [scratch(t), scratch(t)];
    for (const directory of [from, to]) await makeSparse(join(directory, NAME), MIB, [[0, MIB]]);
    const probe = await open(join(to, NAME), "r");
    const handles = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const write: unknown = Reflect.get(handles, "write");
    t.teardown(() => Object.assign(handles, { write }));
    handles.write = () => Promise.reject(new Error("ENOSPC: no space left on device, write"));
    const { sent, end } = await transfer({ from, to });
    t.match(sent, { message: /^failed to write data/ });
    t.equal(end.end, "failed");
    t.ok(await isPartial(to, NAME));
  },
);

t.test(
  "a file beside which a transfer left a mark is looked at, even if its checksum is the same",
  async (t) => {
    const [from, to] = [scratch(t), scratch(t)];
    await makeSparse(join(from, NAME), 8 * MIB, [[0, 8 * MIB]]);
    await copyFile(join(from, NAME), join(to, NAME));
    const recorded = {
      method: "crc64",
      checksum: "0123456789abcdef",
      lastHashedAt: "",
      silentlyCorrupted: false,
    };
    for (const directory of [from, to]) {
      const path = join(directory, NAME);
      await writeRecordedChecksum(path, { ...recorded, changeTime: await changeTimeOf(path) });
    }
    const broken = new ReceivedFile(to, NAME);
    await broken.open(8 * MIB, true);
    await broken.abandon();
    t.ok(await isPartial(to, NAME));
    t.match(await currentChecksum(join(to, NAME)), recorded, "nothing has changed");
    const { sent, written } = await transfer({ from, to, fastSync: true });
    t.strictSame([sent, written], ["sent", 0]);
    t.notOk(await isPartial(to, NAME), "it can be sent on");
    t.equal((await transfer({ from, to, fastSync: true })).sent, "skipped");
  },
);

t.test("what has another name as well is received like a new one", async (t) => {
  for (const before of ["nothing", "a transfer that was broken off"]) {
    const [from, to] = [scratch(t), scratch(t)];
    await makeSparse(join(from, NAME), MIB, [[0, 64 * KIB]]);
    await makeSparse(join(to, "volume-head-001.img"), MIB, [[256 * KIB, 64 * KIB]]);
    const other = await readFile(join(to, "volume-head-001.img"));
    await link(join(to, "volume-head-001.img"), join(to, NAME));
    if (before !== "nothing") {
      const broken = new ReceivedFile(to, NAME);
      await broken.open(MIB, true);
      await broken.write({ begin: 0, end: 4096 }, Buffer.alloc(4096, 1));
      await broken.abandon();
      t.ok(await isPartial(to, NAME));
    }
    t.equal((await transfer({ from, to })).sent, "sent");
    t.ok((await readFile(join(to, NAME))).equals(await readFile(join(from, NAME))));
    t.ok(
      (await readFile(join(to, "volume-head-001.img"))).equals(other),
      `what is there is left alone: ${before}`,
    );
    t.notOk(await isPartial(to, NAME));
  }
});

t.test("a file of which it cannot be told whether it is whole is not taken for whole", async (t) => {
  const directory = scratch(t);
  await makeSparse(join(directory, NAME), MIB, [[0, MIB]]);
  const mark = `${NAME}.receiving`;
  symlinkSync(mark, join(directory, mark)); // a loop: stands for a disk that fails
  await t.rejects(isPartial(directory, NAME), { code: "IO_ERROR" });
  await t.rejects(new ReceivedFile(directory, NAME).open(MIB, true), /\.receiving/);
});

t.test("what came before a sync failed does not come again, but is written again", async (t) => {
  for (const existed of [false, true]) {
    for (const takes of ["nothing", "extents"] as const) {
      await t.test(`over ${existed ? "a file" : "none"}, the receiver taking ${takes}`, async (t) => {
        const [from, to] = [scratch(t), scratch(t)];
        await makeSparse(join(from, NAME), 20 * MIB, [[0, 18 * MIB]]);
        if (existed) await makeSparse(join(to, NAME), 20 * MIB, [[0, 18 * MIB]]);
        const before = existed ? await readFile(join(to, NAME)) : Buffer.alloc(20 * MIB);
        const disk = await diskUnder(t, from, before);
        disk.failures = 1;
        t.match((await transfer({ from, to, takes })).sent, { message: /EIO: i\/o error/ });
        t.ok(existsSync(join(to, `${NAME}.receiving`)));
        disk.failures = 1;
        t.match((await transfer({ from, to, takes })).sent, { message: /EIO: i\/o error/ });

        const { sent, file } = await transfer({ from, to, takes });
        t.equal(sent, "sent");
        t.ok(file.transferred.reusedBytes >= 8 * MIB, `${file.transferred.reusedBytes} bytes were here`);
        t.ok(disk.content.equals(await readFile(join(from, NAME))), "the disk has all of it");
        t.notOk(existsSync(join(to, `${NAME}.receiving`)));
      });
    }
  }
});

t.test("a file of which a sync failed is not made durable by another one", async (t) => {
  const to = scratch(t);
  const file = new ReceivedFile(to, NAME);
  const disk = await diskUnder(t, to, Buffer.alloc(MIB));
  await file.open(MIB, true);
  await file.write({ begin: 0, end: MIB }, Buffer.alloc(MIB, 7));
  disk.failures = 1;
  await t.rejects(file.finish(), { message: /EIO: i\/o error/ });
  await t.rejects(file.finish(), { message: /EIO: i\/o error/ });
  await t.rejects(file.commit({ method: "", checksum: "" }), { message: /EIO: i\/o error/ });
  t.notOk(existsSync(join(to, NAME)));
  await file.abandon();
});

t.test("when the owner decides, nothing stands under the name before it has", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), MIB, [[0, 64 * KIB]]);
  const { end, file } = await transfer({ from, to, commits: "owner" });
  t.equal(end.end, "closed");
  t.notOk(existsSync(join(to, NAME)));
  await file.commit({ method: "", checksum: "" });
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
});

t.test("a recorded checksum comes along, and then spares the next transfer", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  const path = join(from, NAME);
  await makeSparse(path, MIB, [[0, 64 * KIB]]);
  const recorded = {
    method: "crc64",
    checksum: "0123456789abcdef",
    lastHashedAt: "",
    silentlyCorrupted: false,
  };
  await writeRecordedChecksum(path, { ...recorded, changeTime: await changeTimeOf(path) });
  t.equal((await transfer({ from, to })).sent, "sent");
  t.match(await currentChecksum(join(to, NAME)), { method: "crc64", checksum: "0123456789abcdef" });
  const { ctimeMs } = statSync(join(to, NAME));
  t.equal((await transfer({ from, to, fastSync: true })).sent, "skipped");
  t.equal(statSync(join(to, NAME)).ctimeMs, ctimeMs, "the file was not touched");

  // Any change makes a new ctime; then the checksum says nothing, at either end.
  utimesSync(join(to, NAME), new Date(0), new Date(0));
  t.equal((await transfer({ from, to, fastSync: true })).sent, "sent");
  utimesSync(path, new Date(0), new Date(0));
  t.equal((await transfer({ from, to, fastSync: true })).sent, "sent");
  t.equal(await currentChecksum(join(to, NAME)), null);
});

t.test("zeros and a hole have one checksum, and are not taken for each other", async (t) => {
  for (const zerosAt of ["from", "to"] as const) {
    const folders = { from: scratch(t), to: scratch(t) };
    for (const at of ["from", "to"] as const) {
      const path = join(folders[at], NAME);
      await makeSparse(path, MIB, []);
      const file = await open(path, "r+");
      await file.write(Buffer.alloc(4 * KIB, 7), 0, 4 * KIB, 0);
      if (at === zerosAt) await file.write(Buffer.alloc(64 * KIB), 0, 64 * KIB, 512 * KIB);
      await file.sync();
      await file.close();
      const checksum = await hashFile(path, new AbortController().signal);
      const rest = { method: "crc64", lastHashedAt: "", silentlyCorrupted: false };
      await writeRecordedChecksum(path, { ...rest, checksum, changeTime: await changeTimeOf(path) });
    }
    const [from, to] = [join(folders.from, NAME), join(folders.to, NAME)];
    t.equal((await currentChecksum(from))?.checksum, (await currentChecksum(to))?.checksum);
    t.equal((await transfer({ ...folders, fastSync: true })).sent, "sent", `zeros: ${zerosAt}`);
    t.strictSame(await imageOf(to), await imageOf(from), "below, the same shows");
    t.equal((await transfer({ ...folders, fastSync: true })).sent, "skipped");
  }
});

t.test("what has rotted, here or there, is never taken for what is recorded of it", async (t) => {
  for (const rotten of ["from", "to"] as const) {
    const folders = { from: scratch(t), to: scratch(t) };
    const recorded = { method: "crc64", checksum: "0123456789abcdef", lastHashedAt: "" };
    for (const end of ["from", "to"] as const) {
      const path = join(folders[end], NAME);
      await makeSparse(path, MIB, [[0, 64 * KIB]]);
      const silentlyCorrupted = end === rotten;
      await writeRecordedChecksum(path, {
        ...recorded,
        silentlyCorrupted,
        changeTime: await changeTimeOf(path),
      });
    }
    t.equal((await transfer({ ...folders, fastSync: true })).sent, "sent", `rotten: ${rotten}`);
    t.strictSame(await imageOf(join(folders.to, NAME)), await imageOf(join(folders.from, NAME)));
  }
});

t.test("a file that is longer than the source is cut", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), MIB, [[0, MIB]]);
  await makeSparse(join(to, NAME), 2 * MIB, [[0, 2 * MIB]]);
  t.equal((await transfer({ from, to })).sent, "sent");
  t.strictSame(await imageOf(join(to, NAME)), await imageOf(join(from, NAME)));
});

t.test("a source that has to be a multiple of a block and is not is refused", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  writeFileSync(join(from, NAME), "abc");
  const { sent } = await transfer({ from, to });
  t.match(sent, { message: /failed to open: .*invalid file size 3 for directIO/ });
  t.notOk(existsSync(join(to, NAME)));
});

t.test("a sender waits for a receiver that comes late, and gives up on one that never does", async (t) => {
  const [from, to] = [scratch(t), scratch(t)];
  await makeSparse(join(from, NAME), MIB, [[0, 4 * KIB]]);
  const probe = await Receiver.start(new ReceivedFile(to, NAME), { port: 0, commits: "sender" }, silent);
  const { port } = probe;
  await probe.stop();
  const source = await openFileSource(from, NAME);
  const options = {
    ...{ host: "127.0.0.1", port, timeoutSeconds: 5, directIo: true, fastSync: false },
    recorded: () => Promise.resolve(null),
    rate: new RateLimit({ rate: null }),
  };
  await t.rejects(sendSource(source, { ...options, openRetryMs: 1 }), {
    message: /failed to open: .*ECONNREFUSED/,
  });
  const sending = sendSource(source, options);
  const receiver = await Receiver.start(new ReceivedFile(to, NAME), { port, commits: "sender" }, silent);
  t.equal(await sending, "sent");
  t.equal((await receiver.ended).end, "closed");
  await source.close();
});
