/** Processes of engines and replicas that do at once what is wanted of them, for the manager's own loops to work with. */
import { modify, type Store } from "../store/store.js";
import { emptyHead } from "./fake-engines.js";

/** @param holdsRebuilds replicas that an engine gets while it runs are not whole yet
 * @returns ends them */
export function runProcesses(store: Store, holdsRebuilds: () => boolean = () => false): () => void {
  const state = (desireState: string) => (desireState === "running" ? "running" : "stopped");
  let port = 10_000;
  const hosted = (["Replica", "Witness"] as const).map((kind) =>
    store.watch(kind, {
      onChange: ({ change, object: { metadata, spec } }) => {
        if (change === "DELETED") return;
        void (metadata.deletionTimestamp === ""
          ? modify(store, kind, metadata.name, "status", ({ status }) => {
              Object.assign(status, { currentState: state(spec.desireState), ip: "10.0.0.1" });
              if (status.port === 0) status.port = port++;
            })
          : modify(store, kind, metadata.name, "spec", (object) => (object.metadata.finalizers = [])));
      },
    }),
  );
  const engines = store.watch("Engine", {
    onChange: ({ change, object: { metadata, spec } }) => {
      if (change === "DELETED") return;
      const isRunning = spec.desireState === "running";
      void (metadata.deletionTimestamp === ""
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
        : modify(store, "Engine", metadata.name, "spec", (engine) => (engine.metadata.finalizers = [])));
    },
  });
  return () => {
    for (const end of [...hosted, engines]) end();
  };
}
