/** `aurochs setting`: what the storage system is told to do. */
import type { Command } from "commander";
import type { Setting } from "../../rest-client/resources.js";
import {
  action,
  confirm,
  destructive,
  json,
  missing,
  watched,
  type Call,
  type JsonFlag,
  type WatchFlags,
  type YesFlag,
} from "./call.js";
import { showList, showOne } from "./show.js";
import { fieldsText, tableText, type Column, type Paint } from "./table.js";

const DANGEROUS = "danger Zone";

export function addSettingCommands(setting: Command): void {
  watched(setting.command("list").description("all settings"))
    .option("--changed", "only those that do not have their default")
    .action(
      action<WatchFlags & { changed?: true }>((call) => {
        const chosen = (settings: Setting[]) =>
          settings.filter((one) => call.flags.changed !== true || isChanged(one));
        return showList(call, {
          collection: "settings",
          value: chosen,
          text: (settings) => settingsText(chosen(settings), call.terminal.paint),
        });
      }),
    );
  watched(setting.command("get").description("one setting, and what it means"))
    .argument("<setting>")
    .action(
      action<WatchFlags, [string]>((call, name) =>
        showOne(call, { collection: "settings", what: "setting", name, text: settingText }),
      ),
    );
  json(destructive(setting.command("set").description("change a setting")))
    .argument("<setting>")
    .argument("<value>")
    .action(
      action<JsonFlag & YesFlag, [string, string]>((call, name, value) => set(call, name, () => value)),
    );
  json(destructive(setting.command("reset").description("give a setting its default again")))
    .argument("<setting>")
    .action(
      action<JsonFlag & YesFlag, [string]>((call, name) =>
        set(call, name, ({ definition }) => definition.default),
      ),
    );
}

async function set(
  call: Call<JsonFlag & YesFlag>,
  name: string,
  valueOf: (setting: Setting) => string,
): Promise<void> {
  const { client, flags, terminal } = call;
  const before = await client.get("settings", name);
  if (before === null) throw missing("setting", name);
  if (before.definition.category === DANGEROUS)
    await confirm(call, `${name} is in the danger zone: ${before.definition.description}`);
  const changed = await client.update("settings", name, { value: valueOf(before) });
  terminal.out(flags.json === true ? `${JSON.stringify(changed)}\n` : `${name} is ${shown(changed.value)}\n`);
}

function settingsText(settings: readonly Setting[], paint: Paint): string {
  const columns: Column<Setting>[] = [
    { title: "NAME", of: ({ name }) => name },
    { title: "VALUE", of: ({ value }) => shown(value), tone: (one) => (isChanged(one) ? "careful" : null) },
    { title: "DEFAULT", of: (one) => (isChanged(one) ? shown(one.definition.default) : "") },
    { title: "CATEGORY", of: ({ definition }) => definition.category },
  ];
  return tableText(columns, settings, paint);
}

function settingText(setting: Setting): string {
  const { name, value, definition } = setting;
  const { minimum, maximum } = definition.range ?? definition.floatRange ?? {};
  return fieldsText([
    ["setting", name],
    ["value", shown(value)],
    ["default", shown(definition.default)],
    ["values", definition.options?.join(", ") ?? ""],
    ["from", minimum === undefined ? "" : String(minimum)],
    ["to", maximum === undefined ? "" : String(maximum)],
    ["category", definition.category],
    ["meaning", definition.description],
  ]);
}

function isChanged({ value, definition }: Setting): boolean {
  return value !== definition.default;
}

function shown(value: string): string {
  return value === "" ? '""' : value;
}
