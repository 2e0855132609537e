/** Both ends of a file's transfer as JavaScript uses them: what is closed, broken off, or wrong. */
import { once } from "node:events";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { connect, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import { FileReceiver, listenTcp, sendFile } from "./index.js";

const MIB = 1 << 20;
const SIZE = 4 * MIB;
const TIMES = { timeoutMs: 10_000, endTimeoutMs: 10_000 };

/** A file with data, one of its size without, and a receiver. */
function rig(t: Test, onConnection: (fd: number) => void = () => undefined) {
  const directory = mkdtempSync(join(tmpdir(), "aurochs-test-"));
  const [from, to] = [join(directory, "from"), join(directory, "to")];
  writeFileSync(from, Buffer.alloc(SIZE, "data"));
  writeFileSync(to, "");
  truncateSync(to, SIZE);
  const listening = listenTcp("127.0.0.1", 0);
  const receiver = new FileReceiver(listening.fd, onConnection);
  const fds = { from: openSync(from, "r"), to: openSync(to, "r+") };
  t.teardown(async () => {
    await receiver.close();
    for (const fd of [listening.fd, fds.from, fds.to]) closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  return { receiver, fds, paths: { from, to }, to: { host: "127.0.0.1", port: listening.port, ...TIMES } };
}

t.test("a file arrives, and both ends tell how much was moved", async (t) => {
  const { receiver, fds, paths, to } = rig(t);
  let [sentBytes, receivedBytes] = [0, 0];
  const received = receiver.receive(fds.to, SIZE, "to", (bytes) => (receivedBytes += bytes));
  const { sent, allow } = sendFile(fds.from, SIZE, to, (bytes) => (sentBytes += bytes));
  allow(SIZE);
  await sent;
  t.equal(await received, SIZE);
  t.strictSame([sentBytes, receivedBytes], [SIZE, SIZE]);
  t.ok(readFileSync(paths.to).equals(readFileSync(paths.from)));
});

t.test("a file that was sent is open no longer, whenever the rest is collected", async (t) => {
  const { receiver, fds, paths, to } = rig(t);
  const isFrom = (fd: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === paths.from;
    } catch {
      return false; // that of the directory itself
    }
  };
  const opened = () => readdirSync("/proc/self/fd").filter(isFrom).length;
  const received = receiver.receive(fds.to, SIZE, "to", () => undefined);
  const { sent, allow, cancel } = sendFile(fds.from, SIZE, to, () => undefined);
  t.equal(opened(), 2);
  allow(SIZE);
  await Promise.all([sent, received]);
  t.equal(opened(), 1);
  allow(1);
  cancel();
});

t.test("other connections are handed over with what they said", async (t) => {
  const given = new Promise<Socket>((resolve) => {
    const { to } = rig(t, (fd) => resolve(new Socket({ fd, readable: true, writable: true })));
    const other = connect(to.port, to.host, () => other.write("GET /"));
    t.teardown(() => other.destroy());
  });
  const socket = await given;
  const [said] = (await once(socket, "data")) as [Buffer];
  t.equal(said.toString(), "GET /");
  socket.destroy();
});

t.test("close and cancel end what waits, whenever they are called and how often", async (t) => {
  const { receiver, fds, to } = rig(t);
  receiver.cancel();
  const first = receiver.receive(fds.to, SIZE, "to", () => undefined);
  await t.rejects(
    receiver.receive(fds.to, SIZE, "to", () => undefined),
    { code: "BAD_ARGUMENT" },
  );
  receiver.cancel();
  await t.rejects(first, { code: "ABORTED" });
  const second = receiver.receive(fds.to, SIZE, "to", () => undefined);
  const { sent, allow, cancel } = sendFile(fds.from, SIZE, to, () => undefined);
  await Promise.all([receiver.close(), receiver.close(), t.rejects(second)]);
  await receiver.close();
  receiver.cancel();
  await t.rejects(
    receiver.receive(fds.to, SIZE, "to", () => undefined),
    { code: "CLOSED" },
  );
  cancel();
  await t.rejects(sent);
  cancel();
  allow(1);
});

t.test("what is no file, no socket or no number is refused", async (t) => {
  const { receiver, to } = rig(t);
  const nothing = () => undefined;
  await t.rejects(receiver.receive(-1, SIZE, "to", nothing), { code: "BAD_ARGUMENT" });
  await t.rejects(receiver.receive(999_999, SIZE, "to", nothing), { code: "IO_ERROR" });
  t.throws(() => sendFile(999_999, SIZE, to, nothing), { code: "IO_ERROR" });
  t.throws(() => sendFile(0, -1, to, nothing), { code: "BAD_ARGUMENT" });
  t.throws(() => sendFile(0, SIZE, { ...to, port: 0 }, nothing), { code: "BAD_ARGUMENT" });
  t.throws(() => new FileReceiver(999_999, nothing), { code: "IO_ERROR" });
});

t.test("a worker may end while it sends and receives", async (t) => {
  const { paths } = rig(t);
  const source = `
    import { openSync } from "node:fs";
    import { parentPort } from "node:worker_threads";
    import { FileReceiver, listenTcp, sendFile } from ${JSON.stringify(new URL("index.js", import.meta.url).href)};
    const { fd, host, port } = listenTcp("127.0.0.1", 0);
    const receiver = new FileReceiver(fd, () => undefined);
    receiver.receive(openSync(${JSON.stringify(paths.to)}, "r+"), ${SIZE}, "to", () => parentPort.postMessage("busy"));
    const to = { host, port, timeoutMs: 10_000, endTimeoutMs: 10_000 };
    sendFile(openSync(${JSON.stringify(paths.from)}, "r"), ${SIZE}, to, () => undefined).allow(${SIZE - MIB});`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  await once(worker, "message");
  t.equal(typeof (await worker.terminate()), "number");
});
