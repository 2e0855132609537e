/** `aurochs event`: what happened. */
import type { Command } from "commander";
import type { EventResource } from "../../rest-client/resources.js";
import { stopSignal } from "../signals.js";
import { action, watched, type WatchFlags } from "./call.js";
import { followed } from "./show.js";
import { tableText, type Column, type Paint } from "./table.js";
import { oneLine } from "./volume-text.js";
import { age } from "./words.js";

interface Flags extends WatchFlags {
  volume?: string;
  warnings?: true;
}

export function addEventCommands(event: Command): void {
  watched(
    event
      .command("list")
      .description("events of the last hour, the latest last; with --watch also each that is new"),
  )
    .option("--volume <volume>", "only those of this one, its engine and its replicas")
    .option("--warnings", "only warnings")
    .action(
      action<Flags>(async ({ client, flags, terminal }) => {
        const chosen = (events: readonly EventResource[]) =>
          latestLast(events.filter((one) => isMeant(one, flags)));
        if (flags.watch !== true) {
          const events = chosen(await client.list("events"));
          if (flags.json === true) terminal.out(`${JSON.stringify(events)}\n`);
          else terminal.out(eventsText(events, Date.now(), terminal.paint));
          return;
        }
        const seen = new Map<string, string>();
        for await (const events of followed(client, terminal, "events", stopSignal())) {
          // One that happened again has the same name.
          const fresh = chosen(events).filter(({ id, event: one }) => seen.get(id) !== stamp(one));
          seen.clear();
          for (const { id, event: one } of events) seen.set(id, stamp(one));
          for (const one of fresh)
            terminal.out(flags.json === true ? `${JSON.stringify(one)}\n` : `${eventLine(one)}\n`);
        }
      }),
    );
}

function stamp({ lastTimestamp, count }: EventResource["event"]): string {
  return `${lastTimestamp} ${count}`;
}

function isMeant({ event }: EventResource, { volume, warnings }: Flags): boolean {
  return (warnings !== true || event.type === "Warning") && (volume === undefined || concerns(event, volume));
}

/** The names of engines and replicas begin with that of their volume. */
export function concerns({ involvedObject }: EventResource["event"], volume: string): boolean {
  const { kind, name } = involvedObject;
  if (name === volume) return kind === "Volume" || kind === "VolumeAttachment";
  return (kind === "Engine" && name.startsWith(`${volume}-e-`)) || (kind === "Replica" && name.startsWith(`${volume}-r-`)); // prettier-ignore
}

export function latestLast(events: readonly EventResource[]): EventResource[] {
  return [...events].sort((a, b) => (a.event.lastTimestamp < b.event.lastTimestamp ? -1 : 1));
}

function eventsText(events: readonly EventResource[], now: number, paint: Paint): string {
  const columns: Column<EventResource>[] = [
    { title: "LAST", of: ({ event }) => age(event.lastTimestamp, now), align: "right" },
    { title: "TYPE", of: ({ event }) => event.type, tone: ({ event }) => (event.type === "Warning" ? "careful" : null) }, // prettier-ignore
    { title: "REASON", of: ({ event }) => event.reason },
    { title: "OBJECT", of: ({ event }) => objectOf(event) },
    { title: "COUNT", of: ({ event }) => String(event.count), align: "right" },
    { title: "MESSAGE", of: ({ event }) => oneLine(event.message) },
  ];
  return tableText(columns, events, paint);
}

/** Of one that has just happened. */
function eventLine({ event }: EventResource): string {
  const again = event.count > 1 ? ` (${event.count} times)` : "";
  return `${event.lastTimestamp}  ${event.type.padEnd("Warning".length)}  ${event.reason}  ${objectOf(event)}  ${oneLine(event.message)}${again}`; // prettier-ignore
}

function objectOf({ involvedObject }: EventResource["event"]): string {
  return `${involvedObject.kind.toLowerCase()}/${involvedObject.name}`;
}
