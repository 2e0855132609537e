/** Commands for a volume and its snapshots, as the others: the real executable, the real API. */
import t from "tap";
import { modify } from "../../manager/store/store.js";
import { attach } from "../../manager/rest/testing/world.js";
import { startCliRig } from "./testing/rig.js";

t.test("attach asks before it takes a volume from where it is", async (t) => {
  const { aurochs, ...rig } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB");
  const wishes = async () => (await rig.store.get("VolumeAttachment", "data"))?.spec.attachmentTickets;
  t.match(await aurochs("volume", "attach", "data", "node-1"), { code: 0 });
  t.match(await aurochs("volume", "attach", "data", "node-1"), { code: 0 }, "the same again is no question");
  const asked = "aurochs: data is asked for on node-1 already. It is detached there first: what is not flushed is lost."; // prettier-ignore
  for (const other of [["node-2"], ["node-1", "--disable-frontend"]]) {
    const refused = await aurochs("volume", "attach", "data", ...other);
    t.equal(refused.code, 2);
    t.ok(refused.err.startsWith(asked), refused.err);
  }
  t.match(await wishes(), { "": { nodeID: "node-1", parameters: { disableFrontend: "false" } } });
  t.match(await aurochs("volume", "attach", "data", "node-2", "--id", "second"), { code: 0 });
  t.match(await aurochs("volume", "attach", "data", "node-3", "--yes"), { code: 0 });
  t.match(await wishes(), { "": { nodeID: "node-3" }, second: { nodeID: "node-2" } });
});

t.test("wait looks at the setting for volumes that are detached", async (t) => {
  const { aurochs, store } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB", "--replicas", "2");
  await modify(store, "Volume", "data", "status", ({ status }) => {
    Object.assign(status, { state: "detached", robustness: "unknown" });
  });
  t.match(await aurochs("volume", "wait", "data"), {
    code: 5,
    err: "aurochs: data is detached with 0 of 2 copies: others are made while it is attached\n",
  });
  await aurochs("setting", "set", "offline-replica-rebuilding", "true");
  t.match(await aurochs("volume", "wait", "data", "--timeout", "0.2"), {
    code: 6,
    err: /detached, 0 of 2 copies/,
  });
});

t.test("attach --wait tells why an engine does not start, but not why it did not before", async (t) => {
  const { aurochs, told, ...rig } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB");
  const fail = (why: string) =>
    rig.events.record({ type: "Warning", reason: "FailedStarting", message: `data-e-0 cannot be started: ${why}`, source: "longhorn-engine-controller", object: { kind: "Engine", name: "data-e-0", uid: "u" } }); // prettier-ignore
  fail("no disk");
  const lines = told("volume", "attach", "data", "node-1", "--wait");
  t.equal((await lines.next()).value, "data  creating, 0 of 0 copies running");
  fail("iscsiadm is not installed");
  const why = "data-e-0 cannot be started: iscsiadm is not installed";
  t.equal((await lines.next()).value, `data  creating, 0 of 0 copies running; ${why}`);
});

t.test("snapshots of a volume that is not attached are asked for, and removed", async (t) => {
  const { aurochs, store } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB");
  await modify(store, "Volume", "data", "status", ({ status }) => {
    status.state = "detached";
  });
  t.match(await aurochs("snapshot", "create", "data", "one"), { out: "snapshot one of data is asked for\n" });
  t.match(await aurochs("snapshot", "delete", "data", "one", "typo", "--yes"), { code: 4, err: "aurochs: snapshot of data: typo is not found\n" }); // prettier-ignore
  t.equal((await store.get("Snapshot", "one"))?.metadata.deletionTimestamp, "", "none if one is misspelt");
  t.strictSame(await aurochs("snapshot", "delete", "data", "one", "--yes"), {
    code: 0,
    out: "one of data will be removed: the volume is attached for that\n",
    err: "",
  });
  t.not((await store.get("Snapshot", "one"))?.metadata.deletionTimestamp, "");
});

t.test("snapshot list --watch shows each that comes", async (t) => {
  const { aurochs, follow, ...rig } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB");
  await attach(rig, "data");
  const lines = follow("snapshot", "list", "data", "--watch", "--json");
  const next = async () => JSON.parse(String((await lines.next()).value)) as { name: string }[];
  t.match(await next(), [{ name: "volume-head" }]);
  await aurochs("snapshot", "create", "data", "one");
  t.ok((await next()).some(({ name }) => name === "one"));
});
