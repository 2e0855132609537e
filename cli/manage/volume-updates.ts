/** `aurochs volume update`: a table of what can be changed, with the action of the API that changes it. */
import { Option, type Command } from "commander";
import { parseCount } from "../flags.js";
import { action, json, waiting, type JsonFlag, type WaitFlags } from "./call.js";
import { ManageError } from "./exit-codes.js";
import { REPLICAS_MAX, SNAPSHOTS_MAX } from "./limits.js";
import { healthy } from "./progress.js";
import { finish, isRebuiltOffline, localityOption, need } from "./volume-call.js";

const SHARES = ["ignored", "enabled", "disabled"];

interface Update {
  option: Option;
  action: UpdateAction;
  /** of the action's input */
  field: string;
}

type UpdateAction =
  | "updateReplicaCount"
  | "updateDataLocality"
  | "updateAccessMode"
  | "updateReplicaAutoBalance"
  | "updateReplicaSoftAntiAffinity"
  | "updateReplicaZoneSoftAntiAffinity"
  | "updateReplicaDiskSoftAntiAffinity"
  | "updateSnapshotMaxCount"
  | "updateSnapshotDataIntegrity"
  | "updateFreezeFilesystemForSnapshot"
  | "updateUnmapMarkSnapChainRemoved"
  | "offlineReplicaRebuilding";

const update = (option: Option, action: UpdateAction, field: string): Update => ({ option, action, field });
const chosen = (flags: string, description: string, choices: string[]) => new Option(flags, description).choices(choices); // prettier-ignore

const UPDATES: readonly Update[] = [
  update(new Option("--replicas <count>", "copies; a volume that has data gets or loses them while it is attached").argParser(parseCount(REPLICAS_MAX)), "updateReplicaCount", "replicaCount"),
  update(localityOption(), "updateDataLocality", "dataLocality"),
  update(chosen("--access-mode <mode>", "by one node, or by several; the volume has to be detached", ["rwo", "rwx"]), "updateAccessMode", "accessMode"),
  update(chosen("--auto-balance <mode>", "move copies to even out nodes", ["ignored", "disabled", "least-effort", "best-effort"]), "updateReplicaAutoBalance", "replicaAutoBalance"),
  update(chosen("--share-node <choice>", "copies may share a node; ignored: as the setting says", SHARES), "updateReplicaSoftAntiAffinity", "replicaSoftAntiAffinity"),
  update(chosen("--share-zone <choice>", "copies may share a zone", SHARES), "updateReplicaZoneSoftAntiAffinity", "replicaZoneSoftAntiAffinity"),
  update(chosen("--share-disk <choice>", "copies may share a disk", SHARES), "updateReplicaDiskSoftAntiAffinity", "replicaDiskSoftAntiAffinity"),
  update(new Option("--max-snapshots <count>", "how many there may be").argParser(parseCount(SNAPSHOTS_MAX)), "updateSnapshotMaxCount", "snapshotMaxCount"),
  update(chosen("--data-integrity <mode>", "whether snapshots are compared", ["ignored", "disabled", "enabled", "fast-check"]), "updateSnapshotDataIntegrity", "snapshotDataIntegrity"),
  update(chosen("--freeze-filesystem <choice>", "while a snapshot is taken", SHARES), "updateFreezeFilesystemForSnapshot", "freezeFilesystemForSnapshot"),
  update(chosen("--trim-removes-snapshots <choice>", "a trim marks snapshots as removed, users' own as well", SHARES), "updateUnmapMarkSnapChainRemoved", "unmapMarkSnapChainRemoved"),
  update(chosen("--offline-rebuilding <choice>", "rebuild copies of a detached volume", SHARES), "offlineReplicaRebuilding", "offlineRebuilding"),
]; // prettier-ignore

export function addVolumeUpdates(volume: Command): void {
  const command = volume.command("update").description("change what a volume is like").argument("<volume>");
  for (const { option } of UPDATES) command.addOption(option);
  waiting(json(command)).action(
    action<Record<string, unknown> & JsonFlag & WaitFlags, [string]>(async (call, name) => {
      const wanted = UPDATES.filter(({ option }) => call.flags[option.attributeName()] !== undefined);
      if (wanted.length === 0) throw new ManageError("USAGE", "nothing to change is named: see --help");
      for (const { option, action: act, field } of wanted) {
        const value = call.flags[option.attributeName()];
        await call.client.act("volumes", name, act, { [field]: value });
      }
      const names = wanted.map(({ option }) => option.attributeName()).join(", ");
      const step = healthy(name, await isRebuiltOffline(call));
      await finish(call, await need(call, name), step, `${name} is changed: ${names}`);
    }),
  );
}
