/** How a process ended, for an agent that is not its parent any more: the kernel tells the parent alone. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

interface Environment extends NodeJS.ProcessEnv {
  AUROCHS_EXIT_FILE?: string;
}

/** Where the files of an agent's processes are, each with the name of its instance's UUID. */
export function exitsDirectory(stateDirectory: string): string {
  return join(stateDirectory, "exits");
}

/** Environment of a process that is to leave its exit code in a file. */
export function exitFileEnvironment(file: string): Environment {
  return { AUROCHS_EXIT_FILE: file };
}

/** Leaves this process's exit code where it was asked to: a process that a signal ended leaves nothing. */
export function noteExit(): void {
  const environment = process.env as Environment;
  const file = environment.AUROCHS_EXIT_FILE;
  if (file === undefined) return;
  // Children are other processes.
  delete environment.AUROCHS_EXIT_FILE;
  process.once("exit", (code) => {
    try {
      writeFileSync(file, String(code));
    } catch {
      // It counts as a crash then.
    }
  });
}

/** @returns null when there is none: it was ended by a signal, or never asked to leave one */
export function readExitCode(file: string): number | null {
  try {
    const text = readFileSync(file, "utf8");
    return /^\d{1,3}$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}

export function forgetExitCode(file: string): void {
  rmSync(file, { force: true });
}
