/** Lists over WebSockets. */
import { connect } from "node:net";
import { once } from "node:events";
import t, { type Test } from "tap";
import { WebSocket } from "ws";
import { modify } from "../store/store.js";
import { streamOf } from "./streams.js";
import { startRig, type Json, type Rig } from "./testing/rig.js";
import { addNodes, newNode } from "./testing/world.js";

/** Messages, one after the other. */
class Listener {
  readonly #messages: string[] = [];
  #wake: () => void = () => undefined;

  private constructor(readonly socket: WebSocket) {
    socket.on("message", (data: Buffer) => {
      this.#messages.push(data.toString());
      this.#wake();
    });
  }

  static async open(t: Test, { url }: Rig, path: string): Promise<Listener> {
    const socket = new WebSocket(url.replace("http", "ws") + path);
    t.teardown(() => socket.terminate());
    const listener = new Listener(socket);
    await once(socket, "open");
    return listener;
  }

  async next(): Promise<Json> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return JSON.parse(message);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  get waiting(): number {
    return this.#messages.length;
  }
}

t.test("a stream sends the list at once, and again when it has changed", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const volumes = await Listener.open(t, rig, "/v1/ws/volumes");
  t.match(await volumes.next(), { type: "collection", resourceType: "volume", data: [] });
  await rig.call("POST", "/v1/volumes", { name: "vol", size: "1Gi" });
  // The volume, its attachment: both may be in one message, or in two.
  let list = await volumes.next();
  t.match(list.data, [{ id: "vol", state: "creating" }]);
  await rig.call("POST", "/v1/volumes/vol?action=attach", { hostId: "node-1", attachmentID: "mine" });
  while (list.data[0].volumeAttachment.attachments.mine === undefined) list = await volumes.next();
  const { json } = await rig.call("GET", "/v1/volumes");
  t.strictSame(list.data, json.data, "as the GET has it");
});

t.test("what does not show is not sent", async (t) => {
  const rig = await startRig(t);
  await rig.store.create({ kind: "Setting", name: "auto-salvage", spec: { value: "true" } });
  const settings = await Listener.open(t, rig, "/v1/ws/settings");
  await settings.next();
  const set = (labels: Record<string, string>, value: string) =>
    modify(rig.store, "Setting", "auto-salvage", "spec", (setting) => {
      setting.metadata.labels = labels;
      setting.spec.value = value;
    });
  await set({ a: "b" }, "true");
  await set({}, "false");
  const { data } = await settings.next();
  t.equal(
    data.find(({ id }: Json) => id === "auto-salvage").value,
    "false",
    "the next message has a difference",
  );
});

t.test("many changes are one message, and a period is Go's", async (t) => {
  const rig = await startRig(t);
  const nodes = await Listener.open(t, rig, "/v1/ws/100ms/nodes");
  t.strictSame((await nodes.next()).data, []);
  await Promise.all(Array.from({ length: 20 }, (_, i) => rig.store.create(newNode(`node-${i}`))));
  t.equal((await nodes.next()).data.length, 20);
  const periods = { "1s": 1000, "1.5s": 1500, "500ms": 500, "1m": 15_000, "1s500ms": 1500, "-1s": 0, "1": 0, soon: 0, "%E0": 0 }; // prettier-ignore
  for (const [text, ms] of Object.entries(periods))
    t.equal(streamOf(`/v1/ws/${text}/nodes`)?.periodMs, ms, text);
});

t.test("every stream of Longhorn's is there, and no other", async (t) => {
  const rig = await startRig(t);
  const names = ["settings", "volumes", "recurringjobs", "orphans", "nodes", "engineimages", "backingimages", "backupbackingimages", "backupvolumes", "backuptargets", "backups", "systembackups", "systemrestores", "events", "volumeattachments"]; // prettier-ignore
  for (const name of names) {
    const stream = await Listener.open(t, rig, `/v1/ws/1s/${name}`);
    t.match(
      await stream.next(),
      { type: "collection", links: { self: `${rig.url}/v1/ws/1s/${name}` } },
      name,
    );
  }
  for (const path of [
    "/v1/ws/replicas",
    "/v1/ws/nodetags",
    "/v1/ws",
    "/v1/volumes",
    "/v1/ws/1s/2s/volumes",
  ]) {
    const socket = new WebSocket(rig.url.replace("http", "ws") + path);
    const [error] = (await once(socket, "error")) as [Error];
    t.match(error.message, /404/, path);
  }
});

t.test("events are streamed", async (t) => {
  const rig = await startRig(t);
  const events = await Listener.open(t, rig, "/v1/ws/events");
  await events.next();
  rig.events.record({ type: "Warning", reason: "Faulted", message: "no replica is left", source: "longhorn-volume-controller", object: { kind: "Volume", name: "vol", uid: "u" } }); // prettier-ignore
  t.match((await events.next()).data, [
    {
      eventType: "Warning",
      event: { reason: "Faulted", count: 1, involvedObject: { kind: "Volume", name: "vol" } },
    },
  ]);
});

t.test("a client that does not read is closed, and holds up nobody", async (t) => {
  const streams = { open: 0, closed: 0 };
  const rig = await startRig(t, {
    streamTimes: { pingMs: 60_000, writeMs: 300 },
    onStreams: (count) => {
      if (count < streams.open) streams.closed++;
      streams.open = count;
    },
  });
  for (let i = 100; i < 200; i++) await rig.store.create(newNode(`node-${i}`));
  const slow = connect(rig.server.address.port, "127.0.0.1");
  t.teardown(() => slow.destroy());
  slow.pause();
  slow.write("GET /v1/ws/nodes HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); // prettier-ignore
  const other = await Listener.open(t, rig, "/v1/ws/nodes");
  // Until the kernel takes no more for the one that does not read.
  for (let i = 0; streams.closed === 0; i++) {
    await modify(rig.store, "Node", "node-100", "spec", ({ spec }) => {
      spec.tags = [`tag-${i}`];
    });
    while (!(await other.next()).data[0].tags.includes(`tag-${i}`));
  }
  t.equal(streams.open, 1, "the other one is there");
  t.strictSame(rig.errors, []);
});

t.test("a client that does not answer a ping is closed", async (t) => {
  const rig = await startRig(t, { streamTimes: { pingMs: 50, writeMs: 10_000 } });
  const silent = connect(rig.server.address.port, "127.0.0.1");
  silent.write("GET /v1/ws/nodes HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); // prettier-ignore
  silent.resume();
  await once(silent, "close");
  t.pass("closed");
});

t.test("what a client sends is thrown away, unless it is much", async (t) => {
  const rig = await startRig(t);
  const nodes = await Listener.open(t, rig, "/v1/ws/nodes");
  await nodes.next();
  nodes.socket.send("hello");
  await rig.store.create(newNode("node-1"));
  t.equal((await nodes.next()).data.length, 1);
  nodes.socket.on("error", () => undefined);
  nodes.socket.send("x".repeat(1 << 20));
  await once(nodes.socket, "close");
  t.equal((await rig.call("GET", "/v1/nodes")).status, 200);
});
