/** All commands. Each is loaded when it is used: an engine has no use for the rest. */
import { Command } from "commander";
import { addCompletionCommands } from "./completion-command.js";
import { addCsiCommand } from "./csi-command.js";
import { addEngineCommand } from "./engine-command.js";
import { addInstanceManagerCommand } from "./instance-manager-command.js";
import { addManagerCommand } from "./manager-command.js";
import { addNouns } from "./manage/nouns.js";
import { isReplicaOfSystem } from "./manage/replica-words.js";
import { addReplicaCommand } from "./replica-command.js";
import { addReplicaHostCommand } from "./replica-host-command.js";
import { addStatusCommand } from "./status-command.js";
import { addUpCommand } from "./up-command.js";
import { addWitnessCommand } from "./witness-command.js";
import { version } from "./version.js";

/** @param given what follows `aurochs`: the commands that it names are loaded with all that is below them */
export async function buildProgram(given: readonly string[]): Promise<Command> {
  const program = new Command("aurochs")
    .description("Replicated block storage: a volume on several replicas, served over iSCSI")
    .version(version())
    .exitOverride();
  if (!isReplicaOfSystem(given)) addReplicaCommand(program);
  addWitnessCommand(program);
  addEngineCommand(program);
  addUpCommand(program);
  addStatusCommand(program);
  addInstanceManagerCommand(program);
  addReplicaHostCommand(program);
  addCsiCommand(program);
  addManagerCommand(program);
  addCompletionCommands(program, buildProgram);
  await addNouns(program, given);
  return program;
}
