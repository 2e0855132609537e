/** The one engine image: this program's version, which every node has as it has its agent. */
import { createHash } from "node:crypto";
import { formatTime } from "../engine/timestamp.js";
import { dated } from "./objects/conditions.js";
import { modify, type Store } from "./store/store.js";

/** Versions of the engine's interfaces: instance-manager.md section 5. */
const VERSIONS = {
  ...{ cliAPIVersion: 10, cliAPIMinVersion: 8, controllerAPIVersion: 5, controllerAPIMinVersion: 4 },
  ...{ dataFormatVersion: 1, dataFormatMinVersion: 1 },
};

/** It is there, deployed, and what new volumes run. */
export async function keepEngineImage(store: Store, version: string): Promise<void> {
  const image = `aurochs:v${version}`;
  const name = `ei-${createHash("sha256").update(image).digest("hex").slice(0, 8)}`;
  if ((await store.get("EngineImage", name)) === null)
    await store.create({ kind: "EngineImage", name, spec: { image } });
  await modify(store, "EngineImage", name, "status", ({ status }) => {
    const ready = { type: "ready", status: "True", reason: "", message: "" };
    const conditions = [dated(ready, status.conditions, formatTime(Date.now()))];
    Object.assign(status, { ...VERSIONS, version: `v${version}`, state: "deployed", conditions });
  });
  await modify(store, "Setting", "default-engine-image", "spec", ({ spec }) => {
    spec.value = image;
  });
}
