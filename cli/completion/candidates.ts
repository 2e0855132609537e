/** What may stand where the cursor is, from the commands themselves. Pure but for the names, which are asked for. */
import type { Argument, Command, Option } from "commander";
import { REPLICA_WORDS } from "../manage/replica-words.js";

/** Of what only the manager knows. */
export interface Known {
  /** placeholder in the help: "volume" */
  placeholder: string;
  /** that stand before the cursor, by their placeholders: the volume of a snapshot */
  operands: ReadonlyMap<string, string>;
  /** flags of the connection, by their attribute names */
  flags: ReadonlyMap<string, string>;
}

export type Names = (known: Known) => Promise<readonly string[]>;

/** What has been typed, up to the cursor. */
interface Typed {
  command: Command;
  operands: string[];
  flags: Map<string, string>;
  /** that the word at the cursor is the value of; null: of none */
  awaiting: Option | null;
}

/** @param words after `aurochs`; the last is the one at the cursor, "" when it has not begun */
export async function candidates(
  program: Command,
  words: readonly string[],
  names: Names,
): Promise<string[]> {
  const current = words.at(-1) ?? "";
  const typed = read(program, words.slice(0, -1));
  const found = await possible(typed, current, names);
  return found.filter((one) => one.startsWith(current));
}

function read(program: Command, words: readonly string[]): Typed {
  const typed: Typed = { command: program, operands: [], flags: new Map(), awaiting: null };
  for (const word of words) {
    if (typed.awaiting !== null) {
      typed.flags.set(typed.awaiting.attributeName(), word);
      typed.awaiting = null;
    } else if (word.startsWith("-")) {
      const option = optionsOf(typed.command).find(({ long, short }) => word === long || word === short);
      if (option?.required === true) typed.awaiting = option;
    } else {
      const below = typed.command.commands.find((one) => one.name() === word);
      if (below !== undefined && typed.operands.length === 0) typed.command = below;
      else typed.operands.push(word);
    }
  }
  return typed;
}

/** Its own, and those of the commands above it. */
function optionsOf(command: Command): Option[] {
  const own = command.options.filter(({ hidden }) => !hidden);
  return command.parent === null ? own : [...own, ...optionsOf(command.parent)];
}

async function possible(typed: Typed, current: string, names: Names): Promise<readonly string[]> {
  const { command, operands, awaiting } = typed;
  if (awaiting !== null) {
    const placeholder = /<([\w-]+)>/.exec(awaiting.flags)?.[1] ?? "";
    return awaiting.argChoices ?? names(known(typed, placeholder));
  }
  if (current.startsWith("-")) return ["--help", ...optionsOf(command).flatMap(({ long }) => long ?? [])];
  const below = command.commands.filter((one) => !isHidden(one)).map((one) => one.name());
  if (below.length > 0) return operands.length === 0 ? below : [];
  const argument = argumentAt(command, operands.length);
  if (argument === null) return [];
  // The other command of this name is one of directories.
  if (argument.name() === "directory" && command.name() === "replica") return REPLICA_WORDS;
  return argument.argChoices ?? names(known(typed, argument.name()));
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | null {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic === true ? last : null);
}

function known({ command, operands, flags }: Typed, placeholder: string): Known {
  const byName = operands.map((value, i) => [argumentAt(command, i)?.name() ?? "", value] as const);
  return { placeholder, operands: new Map(byName), flags };
}

/** commander tells it only to its own help. */
function isHidden(command: Command): boolean {
  return !command.parent?.createHelp().visibleCommands(command.parent).includes(command);
}
