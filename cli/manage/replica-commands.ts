/** `aurochs replica list` and `remove`: single copies of volumes. */
import type { Command } from "commander";
import type { Volume } from "../../rest-client/resources.js";
import {
  action,
  confirm,
  destructive,
  json,
  missing,
  waiting,
  watched,
  type WatchFlags,
  type YesFlag,
} from "./call.js";
import { removed } from "./progress.js";
import { showList } from "./show.js";
import { finish, isRebuiltOffline, need, type DoneFlags } from "./volume-call.js";
import { currentCopies, replicasText, replicaState, type Replica } from "./volume-text.js";
import { count } from "./words.js";

/** The API has replicas inside of volumes. */
type VolumeReplica = Replica & { volume: string };

interface ListFlags extends WatchFlags {
  volume?: string;
  node?: string;
}

export function addReplicaCommands(replica: Command): void {
  watched(replica.command("list").description("all replicas, with their volume as JSON, too"))
    .option("--volume <volume>", "only those of this one")
    .option("--node <node>", "only those on this one")
    .action(
      action<ListFlags>((call) => {
        const { volume, node } = call.flags;
        const chosen = (volumes: readonly Volume[]) =>
          replicasOf(volumes).filter(
            (one) => (volume ?? one.volume) === one.volume && (node ?? one.hostId) === one.hostId,
          );
        const column = { title: "VOLUME", of: (one: VolumeReplica) => one.volume };
        return showList(call, {
          collection: "volumes",
          value: chosen,
          text: (volumes) => {
            const byName = new Map(volumes.map((one) => [one.name, one]));
            const stateOf = (one: VolumeReplica) => replicaState(byName.get(one.volume), one);
            return replicasText(chosen(volumes), stateOf, Date.now(), call.terminal.paint, [column]);
          },
        });
      }),
    );
  const remove = replica
    .command("remove")
    .description("give a copy up, with its data; the volume gets another one while it is attached")
    .argument("<volume>")
    .argument("<replica>");
  waiting(json(destructive(remove))).action(
    action<DoneFlags & YesFlag, [string, string]>(async (call, name, replicaName) => {
      const volume = await need(call, name);
      if (!volume.replicas.some((one) => one.name === replicaName))
        throw missing(`replica of ${name}:`, replicaName);
      const left = currentCopies(volume).filter((one) => one.name !== replicaName).length;
      await confirm(call, `This removes ${replicaName} with its data. ${count(left, "other copy", "other copies")} of ${name} would be left.`); // prettier-ignore
      const changed = await call.client.act("volumes", name, "replicaRemove", { name: replicaName });
      const step = removed(name, replicaName, await isRebuiltOffline(call));
      await finish(call, changed, step, `${replicaName} is being removed`);
    }),
  );
  replica.showHelpAfterError("Directories are served with --listen: aurochs replica --help");
}

function replicasOf(volumes: readonly Volume[]): VolumeReplica[] {
  return volumes.flatMap((volume) => volume.replicas.map((one) => ({ volume: volume.name, ...one })));
}
