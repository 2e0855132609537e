/** `aurochs completion`: what a shell needs to complete commands, options and names; `aurochs complete` is what it asks. */
import { Argument, type Command } from "commander";
import type { SCRIPTS } from "./completion/scripts.js";

/** What may be put into a shell's words without quoting. */
const PLAIN = /^[\w.:/=@%+-]+$/;

/** @param build of all commands, with those of the words loaded */
export function addCompletionCommands(
  program: Command,
  build: (words: readonly string[]) => Promise<Command>,
): void {
  program
    .command("completion")
    .description("print what a shell needs to complete commands, options and names of volumes, nodes, ...")
    .addArgument(new Argument("<shell>").choices(["bash", "zsh"]))
    .addHelpText("after", "\nFor bash, in ~/.bashrc:\n  source <(aurochs completion bash)")
    .action(async (shell: keyof typeof SCRIPTS) => {
      const { SCRIPTS: scripts } = await import("./completion/scripts.js");
      process.stdout.write(scripts[shell]);
    });
  program
    .command("complete", { hidden: true })
    .argument("[words...]")
    .action(async (words: string[]) => {
      const [{ candidates }, { namesOf }] = await Promise.all([
        import("./completion/candidates.js"),
        import("./completion/names.js"),
      ]);
      const found = await candidates(await build(words), words, namesOf);
      const plain = found.filter((one) => PLAIN.test(one));
      process.stdout.write(plain.map((one) => `${one}\n`).join(""));
    });
}
