/** Names that the manager knows, for completion: in time for whoever presses a key, or none. */
import { connect, URL_DEFAULT } from "../manage/call.js";
import type { RestClient } from "../../rest-client/client.js";
import type { Known } from "./candidates.js";

/** ms that somebody waits gladly, together with the start of this process. */
const PATIENCE_MS = 700;

type Ask = (client: RestClient, operands: Known["operands"]) => Promise<readonly string[]>;

const ids = (items: readonly { id: string }[]) => items.map(({ id }) => id);

/** By the placeholders in the help. */
const ASK: Readonly<Record<string, Ask>> = {
  volume: async (client) => ids(await client.list("volumes")),
  node: async (client) => ids(await client.list("nodes")),
  setting: async (client) => ids(await client.list("settings")),
  job: async (client) => ids(await client.list("recurringjobs")),
  disk: async (client, operands) =>
    Object.keys((await client.get("nodes", operands.get("node") ?? ""))?.disks ?? {}),
  replica: async (client, operands) =>
    (await client.get("volumes", operands.get("volume") ?? ""))?.replicas.map(({ name }) => name) ?? [],
  snapshot: async (client, operands) => {
    const { data } = await client.act("volumes", operands.get("volume") ?? "", "snapshotList", {});
    return ids(data).filter((id) => id !== "volume-head");
  },
  value: async (client, operands) => {
    const { definition } = (await client.get("settings", operands.get("setting") ?? "")) ?? {};
    return definition?.type === "bool" ? ["true", "false"] : (definition?.options ?? []);
  },
};

/** @returns none also when the manager does not answer: the shell goes on without */
export async function namesOf({ placeholder, operands, flags }: Known): Promise<readonly string[]> {
  const ask = ASK[placeholder];
  if (ask === undefined) return [];
  try {
    const url = flags.get("url") ?? process.env["AUROCHS_URL"] ?? URL_DEFAULT;
    const tokenFile = flags.get("tokenFile");
    const client = connect({ url, ...(tokenFile === undefined ? {} : { tokenFile }) }, PATIENCE_MS);
    return await ask(client, operands);
  } catch {
    return [];
  }
}
