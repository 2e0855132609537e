/** `aurochs explain`: why a volume is as it is. */
import type { Command } from "commander";
import type { Volume } from "../../rest-client/resources.js";
import { action, json, type Call, type JsonFlag } from "./call.js";
import { concerns, latestLast } from "./event-commands.js";
import { explain } from "./explain/explain.js";
import type { Facts } from "./explain/facts.js";
import { explanationText } from "./explain/text.js";
import { unknownJobsOf } from "./unknown-jobs.js";
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
  const [nodes, events, settings, volumes, unknownJobs] = await Promise.all([
    client.list("nodes"),
    client.list("events"),
    client.list("settings"),
    client.list("volumes"),
    unknownJobsOf(client, name),
  ]);
  const sourceName = sourceOf(volume);
  return {
    volume,
    nodes,
    events: latestLast(events.filter(({ event }) => concerns(event, name))),
    settings: new Map(settings.map((one) => [one.name, one.value])),
    source: volumes.find((one) => one.name === sourceName) ?? null,
    unfinishedCopies: volumes.filter((one) => sourceOf(one) === name && isUnfinished(one)).map((one) => one.name), // prettier-ignore
    unknownJobs,
    now: Date.now(),
  };
}

function sourceOf({ dataSource }: Volume): string | null {
  return /^(?:snap|vol):\/\/([^/]+)/.exec(dataSource)?.[1] ?? null;
}

function isUnfinished({ cloneStatus, state }: Volume): boolean {
  return ["", "initiated"].includes(cloneStatus.state) && state !== "deleting";
}
