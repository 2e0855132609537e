/** The command line of a program that people call by hand. */
import { parseArgs, type ParseArgsConfig } from "node:util";

/** As `parseArgs` of `node:util`. What it refuses is told with how the program is called, and ends the process with exit code 2. */
export function readArguments<T extends ParseArgsConfig>(
  usage: string,
  config: T,
): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}
