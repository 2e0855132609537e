import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import t from "tap";
import { ENGINE_CALL_TIMEOUT_MS, TRIM_TIMEOUT_MS } from "../manager/agents/limits.js";
import { startRig } from "../manager/rest/testing/rig.js";
import { addNodes } from "../manager/rest/testing/world.js";
import { RestClient } from "./client.js";
import { RestError, UnreachableError } from "./errors.js";
import { ACTION_TIMEOUT_MS } from "./limits.js";

t.test("a volume is made, found, acted on and removed", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const client = new RestClient({ url: `${rig.url}/v1/`, token: null });
  t.equal(client.url, rig.url);
  t.equal(await client.get("volumes", "data"), null);
  const made = await client.create("volumes", { name: "data", size: "16Mi", numberOfReplicas: 2 });
  t.match(made, { id: "data", state: "creating", size: String(16 << 20) });
  const wanted = await client.act("volumes", "data", "attach", { hostId: "node-1", attachmentID: "a" });
  t.match(wanted.volumeAttachment.attachments, { a: { nodeID: "node-1" } });
  t.strictSame(
    (await client.list("volumes")).map(({ name }) => name),
    ["data"],
  );
  await client.delete("volumes", "data");
  t.match(await client.get("volumes", "data"), { state: "deleting" });
});

t.test("what the manager refuses is an error with its words and status", async (t) => {
  const rig = await startRig(t);
  await addNodes(rig);
  const client = new RestClient({ url: rig.url, token: null });
  await t.rejects(client.create("volumes", { name: "x", size: "16Mi" }), new RestError(400, "volume: name: \"x\" is no name: it has lower-case letters, digits and \"-\", at least two of them, and begins and ends with a letter or digit")); // prettier-ignore
  await t.rejects(client.act("volumes", "no/ne", "detach", {}), new RestError(404, "volume no/ne is not found")); // prettier-ignore
});

t.test("a token is sent with calls and streams", async (t) => {
  const rig = await startRig(t, { token: "secret" });
  await addNodes(rig);
  const stranger = new RestClient({ url: rig.url, token: null });
  await t.rejects(stranger.list("nodes"), new RestError(401, "this API asks for a bearer token"));
  const { signal } = new AbortController();
  await t.rejects(stranger.watch("nodes", signal).next(), new RestError(401, "this API asks for a bearer token")); // prettier-ignore
  const friend = new RestClient({ url: rig.url, token: "secret" });
  t.equal((await friend.list("nodes")).length, 3);
  const nodes = friend.watch("nodes", signal);
  t.equal((await nodes.next()).value?.length, 3);
  await nodes.return();
});

t.test("a stream gives the list, then again when it has changed, and ends when asked to", async (t) => {
  const rig = await startRig(t);
  const client = new RestClient({ url: rig.url, token: null });
  const stop = new AbortController();
  const counts: number[] = [];
  for await (const nodes of client.watch("nodes", stop.signal)) {
    counts.push(nodes.length);
    if (nodes.length === 0) await addNodes(rig);
    if (nodes.length === 3) stop.abort();
  }
  t.equal(counts[0], 0);
  t.equal(counts.at(-1), 3);
});

t.test("a stream that the server ends is an error", async (t) => {
  const rig = await startRig(t);
  const client = new RestClient({ url: rig.url, token: null });
  const nodes = client.watch("nodes", new AbortController().signal);
  await nodes.next();
  const rejected = t.rejects(nodes.next(), UnreachableError);
  await rig.server.close();
  await rejected;
});

t.test("nobody there, or somebody else", async (t) => {
  const other = createServer((_, response) => response.end("<html>"));
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
  const client = new RestClient({ url, token: null });
  await t.rejects(client.list("volumes"), { name: "UnreachableError", message: `no answer from the manager at ${url}: what answers there is no manager: "<html>"` }); // prettier-ignore
  await new Promise((resolve) => other.close(resolve));
  await t.rejects(client.list("volumes"), { name: "UnreachableError", message: `no answer from the manager at ${url}: connection refused` }); // prettier-ignore
  await t.rejects(client.watch("volumes", new AbortController().signal).next(), { name: "UnreachableError", why: "connection refused" }); // prettier-ignore
  t.throws(() => new RestClient({ url: "ftp://there", token: null }), TypeError);
});

t.test("who does not answer in time is not waited for", async (t) => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const client = new RestClient({ url, token: null, timeoutMs: 50 });
  await t.rejects(client.list("volumes"), { name: "UnreachableError", why: "no answer within 0.05 s" });
});

t.test("who waits for an engine, or a trim, does not give up before the manager does", (t) => {
  const { trimFilesystem = 0, ...ofEngines } = ACTION_TIMEOUT_MS;
  t.ok(trimFilesystem > TRIM_TIMEOUT_MS);
  for (const [action, timeoutMs = 0] of Object.entries(ofEngines))
    t.ok(timeoutMs > 2 * ENGINE_CALL_TIMEOUT_MS, action);
  t.end();
});
