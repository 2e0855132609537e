/** `aurochs`: one executable. Commands are loaded when they are used: an engine has no use for the rest. */
import { Command, CommanderError } from "commander";
import { EXIT } from "../engine/exit-codes.js";
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

const program = new Command("aurochs")
  .description("Replicated block storage: a volume on several replicas, served over iSCSI")
  .version(version())
  .exitOverride();
const given = process.argv.slice(2);
if (!isReplicaOfSystem(given)) addReplicaCommand(program);
addWitnessCommand(program);
addEngineCommand(program);
addUpCommand(program);
addStatusCommand(program);
addInstanceManagerCommand(program);
addReplicaHostCommand(program);
addManagerCommand(program);

try {
  await addNouns(program, given);
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    // Help and version end with 0; they have been printed.
    process.exitCode = error.exitCode === 0 ? EXIT.OK.code : EXIT.USAGE.code;
  } else {
    process.stderr.write(`aurochs: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = EXIT.FAILED.code;
  }
}
