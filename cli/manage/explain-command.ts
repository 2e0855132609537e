/** `aurochs explain`: why a volume is as it is. */
import type { Command } from "commander";
import { action, json, type Call, type JsonFlag } from "./call.js";
import { concerns, latestLast } from "./event-commands.js";
import { explain } from "./explain/explain.js";
import type { Facts } from "./explain/facts.js";
import { explanationText } from "./explain/text.js";
import { need } from "./volume-call.js";

export function addExplain(command: Command): void {
  json(command)
    .argument("<volume>")
    .action(
      action<JsonFlag, [string]>(async (call, name) => {
        const explanation = explain(await factsOf(call, name));
        if (call.flags.json === true) call.terminal.out(`${JSON.stringify(explanation)}\n`);
        else call.terminal.out(explanationText(explanation, call.terminal.columns));
      }),
    );
}

async function factsOf(call: Call<JsonFlag>, name: string): Promise<Facts> {
  const { client } = call;
  const volume = await need(call, name);
  const [nodes, events, settings] = await Promise.all([
    client.list("nodes"),
    client.list("events"),
    client.list("settings"),
  ]);
  const [, sourceName] = /^(?:snap|vol):\/\/([^/]+)/.exec(volume.dataSource) ?? [];
  return {
    volume,
    nodes,
    events: latestLast(events.filter(({ event }) => concerns(event, name))),
    settings: new Map(settings.map((one) => [one.name, one.value])),
    source: sourceName === undefined ? null : await client.get("volumes", sourceName),
    now: Date.now(),
  };
}
