/** What the API writes, the manager's own loops carry out: a volume's life with nothing but REST. */
import { pino } from "pino";
import t from "tap";
import { runProcesses } from "../testing/processes.js";
import { startAttachmentLoop } from "../volume/attachment-loop.js";
import { startVolumeLoop } from "../volume/volume-loop.js";
import { startRig, type Json, type Rig } from "./testing/rig.js";
import { addNodes } from "./testing/world.js";

async function until({ call }: Rig, path: string, reached: (answer: Json) => boolean): Promise<Json> {
  for (;;) {
    const { json, status } = await call("GET", path);
    if (reached(status === 200 ? json : null)) return json;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

t.test("a volume is made, attached, expanded, detached and removed", async (t) => {
  const rig = await startRig(t);
  const { store, events, call } = rig;
  await addNodes(rig);
  const log = pino({ level: "silent" });
  const loops = [startVolumeLoop(store, events, log), startAttachmentLoop(store, log)];
  const endProcesses = runProcesses(store);
  const path = "/v1/volumes/vol";
  const made = await call("POST", "/v1/volumes", { name: "vol", size: "1Gi", numberOfReplicas: 2 });
  t.equal(made.status, 200);
  const detached = await until(
    rig,
    path,
    (volume) => volume.state === "detached" && volume.replicas.length === 2,
  );
  t.not(detached.replicas[0].hostId, detached.replicas[1].hostId);
  await call("POST", `${path}?action=attach`, { hostId: "node-2", attachmentID: "mine" });
  const attached = await until(rig, path, (volume) => volume.robustness === "healthy" && volume.volumeAttachment.attachments.mine.satisfied); // prettier-ignore
  t.match(attached, { state: "attached", ready: true, controllers: [{ hostId: "node-2", running: true }], replicas: [{ mode: "RW" }, { mode: "RW" }] }); // prettier-ignore
  t.equal((await call("POST", `${path}?action=expand`, { size: "2Gi" })).status, 200);
  await until(rig, path, (volume) => volume.controllers[0].size === String(2 ** 31));
  await call("POST", `${path}?action=detach`, { attachmentID: "mine" });
  await until(rig, path, (volume) => volume.state === "detached");
  t.match((await call("GET", "/v1/events")).json.data.map(({ event }: Json) => event.reason), ["Attached", "Healthy", "Detached"]); // prettier-ignore
  t.equal((await call("DELETE", path)).status, 200);
  await until(rig, path, (volume) => volume === null);
  await until(rig, "/v1/volumeattachments", (list) => list.data.length === 0);
  t.strictSame(await store.list("Replica"), []);
  endProcesses();
  for (const loop of loops) await loop.stop();
});
