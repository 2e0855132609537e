/** What several commands do with a volume: look it up, and say how what was asked for has ended. */
import { Option } from "commander";
import type { Volume } from "../../rest-client/resources.js";
import { missing, type Call, type JsonFlag, type WaitFlags } from "./call.js";
import type { Step } from "./progress.js";
import { wait } from "./wait.js";

export type DoneFlags = JsonFlag & WaitFlags;

export function localityOption(): Option {
  return new Option("--data-locality <mode>", "a copy on the node that uses the volume").choices([
    "disabled",
    "best-effort",
    "strict-local",
  ]);
}

export async function need({ client }: Pick<Call<unknown>, "client">, name: string): Promise<Volume> {
  const volume = await client.get("volumes", name);
  if (volume === null) throw missing("volume", name);
  return volume;
}

/** @returns whether the setting wants volumes rebuilt that nobody uses */
export async function isRebuiltOffline({ client }: Pick<Call<unknown>, "client">): Promise<boolean> {
  const setting = await client.get("settings", "offline-replica-rebuilding");
  return (JSON.parse(setting?.value ?? "{}") as { v1?: string }).v1 === "true";
}

/** Waits if that is asked for, and says what has become of it: as text, or by the volume as it is then. */
export async function finish(
  call: Call<DoneFlags>,
  volume: Volume,
  step: Step | null,
  text: string,
): Promise<void> {
  const { flags, terminal } = call;
  const isWaiting = flags.wait === true && step !== null;
  const told = isWaiting ? await wait(call, "volumes", volume.name, step) : text;
  if (flags.json !== true) terminal.out(`${told}\n`);
  else terminal.out(`${JSON.stringify(isWaiting ? await need(call, volume.name) : volume)}\n`);
}
