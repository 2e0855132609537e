/** Help in the form of Longhorn's. Pure. */
import { type Command } from "./command.js";
import { GLOBAL_FLAGS } from "../../manager/longhorn-command/flags.js";
import type { Flag } from "../../manager/longhorn-command/arguments.js";

export function programHelp(commands: readonly Command[]): string {
  return [
    "NAME:",
    "   longhorn - drive a volume, its engine and its replicas",
    "",
    "USAGE:",
    "   longhorn [global options] command [command options] [arguments...]",
    "",
    "COMMANDS:",
    ...commandLines(commands),
    "",
    "GLOBAL OPTIONS:",
    ...flagLines(GLOBAL_FLAGS),
    "",
  ].join("\n");
}

/** @param path the command's name with those of the commands above it */
export function commandHelp(path: string, { usage, argumentsText, flags = [], commands }: Command): string {
  const title = `   longhorn ${path}${usage === undefined ? "" : ` - ${usage}`}`;
  const synopsis =
    commands === undefined
      ? `   longhorn ${path} [command options] ${argumentsText ?? "[arguments...]"}`
      : `   longhorn ${path} command [command options] [arguments...]`;
  return [
    "NAME:",
    title,
    "",
    "USAGE:",
    synopsis,
    "",
    ...(commands === undefined ? [] : ["COMMANDS:", ...commandLines(commands), ""]),
    ...(flags.length === 0 ? [] : ["OPTIONS:", ...flagLines(flags), ""]),
  ].join("\n");
}

function commandLines(commands: readonly Command[]): string[] {
  const rows = commands.map(({ names, usage }) => [names.join(", "), usage ?? ""] as const);
  const width = Math.max(...rows.map(([names]) => names.length)) + 2;
  return rows.map(([names, usage]) => `     ${names.padEnd(width)}${usage}`.trimEnd());
}

function flagLines(flags: readonly Flag[]): string[] {
  const rows = flags.map((flag) => {
    const names = [flag.name, ...(flag.aliases ?? [])].map(
      (name) => `${name.length === 1 ? "-" : "--"}${name}`,
    );
    const value = flag.kind === "bool" ? "" : " value";
    const fallback =
      flag.default === undefined || flag.default === false
        ? ""
        : ` (default: ${JSON.stringify(flag.default)})`;
    return [names.map((name) => name + value).join(", "), `${flag.usage ?? ""}${fallback}`.trim()] as const;
  });
  const width = Math.max(...rows.map(([names]) => names.length)) + 2;
  return rows.map(([names, usage]) => `   ${names.padEnd(width)}${usage}`.trimEnd());
}
