/** The commands that speak to the manager. Only those of the noun that was given are loaded: an engine has no use for any. */
import type { Command } from "commander";
import { isReplicaOfSystem } from "./replica-words.js";

interface Noun {
  name: string;
  description: string;
  load: () => Promise<(command: Command) => void>;
}

export const NOUNS: readonly Noun[] = [
  {
    name: "explain",
    description: "why a volume is not as it could be, and what to do next",
    load: async () => (await import("./explain-command.js")).addExplain,
  },
  {
    name: "volume",
    description: "volumes of the storage system: make, attach, expand, clone, ...",
    load: async () => (await import("./volume-commands.js")).addVolumeCommands,
  },
  {
    name: "snapshot",
    description: "what volumes were like at earlier times",
    load: async () => (await import("./snapshot-commands.js")).addSnapshotCommands,
  },
  {
    name: "replica",
    description: "copies of volumes",
    load: async () => (await import("./replica-commands.js")).addReplicaCommands,
  },
  {
    name: "node",
    description: "nodes, and whether replicas may be there",
    load: async () => (await import("./node-commands.js")).addNodeCommands,
  },
  {
    name: "disk",
    description: "disks of nodes: directories with replicas",
    load: async () => (await import("./disk-commands.js")).addDiskCommands,
  },
  {
    name: "setting",
    description: "what the storage system is told to do",
    load: async () => (await import("./setting-commands.js")).addSettingCommands,
  },
  {
    name: "job",
    description: "what is done with volumes again and again",
    load: async () => (await import("./job-commands.js")).addJobCommands,
  },
  {
    name: "event",
    description: "what happened",
    load: async () => (await import("./event-commands.js")).addEventCommands,
  },
];

const GROUP = "Storage system, over the manager's REST API:";

/** @param given what follows `aurochs` */
export async function addNouns(program: Command, given: readonly string[]): Promise<void> {
  const first = given[0] === "help" ? given[1] : given[0];
  for (const { name, description, load } of NOUNS) {
    // The other command of this name is there already.
    if (name === "replica" && !isReplicaOfSystem(given)) continue;
    const command = program.command(name).description(description).helpGroup(GROUP);
    if (name === first) await fill(command, load);
  }
}

async function fill(command: Command, load: Noun["load"]): Promise<void> {
  const { withConnection } = await import("./call.js");
  (await load())(withConnection(command));
}
