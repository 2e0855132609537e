/** Processes of engines and replicas that do at once what is wanted of them, for the manager's own loops to work with. */
import type { EngineReport } from "../../proto/instance-manager.js";
import { ReplicaMode } from "../../proto/longhorn.js";
import { endOf } from "../agents/replica-end.js";
import type { Kind } from "../objects/kinds.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import { modify, type Store } from "../store/store.js";
import { ownLabels } from "../volume/objects.js";
import { emptyHead } from "./fake-engines.js";

/** @param holdsRebuilds replicas that an engine gets while it runs are not whole yet
 * @returns ends them */
export function runProcesses(store: Store, holdsRebuilds: () => boolean = () => false): () => void {
  const state = (desireState: string) => (desireState === "running" ? "running" : "stopped");
  let port = 10_000;
  const hosted = (["Replica", "Witness"] as const).map((kind) =>
    store.watch(kind, {
      onChange: ({ change, object }) => {
        if (change === "DELETED") return;
        const { metadata, spec } = object;
        if (object.kind === "Witness" && isDeleted(object)) void letGo(store, kind, metadata.name);
        else if (isDeleted(object)) void letGoReplicas(store, spec.volumeName);
        void modify(store, kind, metadata.name, "status", ({ status }) => {
          Object.assign(status, { currentState: state(spec.desireState), ip: "10.0.0.1" });
          if (status.port === 0) status.port = port++;
        });
      },
    }),
  );
  const engines = store.watch("Engine", {
    onChange: ({ change, object: { metadata, spec } }) => {
      if (change === "DELETED") return;
      const isRunning = spec.desireState === "running";
      const done =
        metadata.deletionTimestamp === ""
          ? modify(store, "Engine", metadata.name, "status", ({ status }) => {
              const mode = status.currentState === "running" && holdsRebuilds() ? "WO" : "RW";
              const modes = Object.keys(spec.replicaAddressMap).map((replica) => [
                replica,
                status.replicaModeMap[replica] ?? mode,
              ]);
              status.currentState = state(spec.desireState);
              status.endpoint = isRunning && !spec.disableFrontend ? `/dev/longhorn/${spec.volumeName}` : "";
              status.replicaModeMap = isRunning ? (Object.fromEntries(modes) as Record<string, string>) : {};
              if (!isRunning) return;
              status.currentSize = spec.volumeSize;
              status.snapshots["volume-head"] ??= emptyHead();
            })
          : letGo(store, "Engine", metadata.name);
      void done.then(() => letGoReplicas(store, spec.volumeName));
    },
  });
  return () => {
    for (const end of [...hosted, engines]) end();
  };
}

/** Those that are deleted, and that no engine needs any more. */
async function letGoReplicas(store: Store, volumeName: string): Promise<void> {
  const [volume, [engine = null], replicas] = await Promise.all([
    store.get("Volume", volumeName),
    store.list("Engine", ownLabels(volumeName)),
    store.list("Replica", ownLabels(volumeName)),
  ]);
  const report = engine === null ? undefined : reportOf(engine);
  for (const replica of replicas.filter(isDeleted))
    if (endOf(replica, { volume, engine, report, replicas }) !== "later")
      await letGo(store, "Replica", replica.metadata.name);
}

function reportOf({ metadata, spec, status }: Resource<"Engine">): EngineReport {
  const replicas = Object.entries(spec.replicaAddressMap)
    .filter(([name]) => status.replicaModeMap[name] === "RW")
    .map(([, address]) => ({ address: { address: `tcp://${address}` }, mode: ReplicaMode.RW }));
  return { name: metadata.name, uuid: status.uuid, replicas } as unknown as EngineReport;
}

function letGo(store: Store, kind: Kind, name: string): Promise<unknown> {
  return modify(store, kind, name, "spec", (object) => (object.metadata.finalizers = []));
}
