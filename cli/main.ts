/** `aurochs`: one executable. */
import { CommanderError } from "commander";
import { EXIT } from "../engine/exit-codes.js";
import { buildProgram } from "./program.js";

try {
  const program = await buildProgram(process.argv.slice(2));
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
