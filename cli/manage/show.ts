/** Lists and single resources, once or whenever they have changed, as text or as JSON. */
import { setTimeout as sleep } from "node:timers/promises";
import type { RestClient } from "../../rest-client/client.js";
import { UnreachableError } from "../../rest-client/errors.js";
import type { CollectionName, ItemOf } from "../../rest-client/resources.js";
import { stopSignal } from "../signals.js";
import { missing, type Call, type WatchFlags } from "./call.js";
import type { Terminal } from "./terminal.js";

/** ms until a manager that went away is tried again. */
const RETRY_MS = 1_000;

/** As `RestClient.watch`, and goes on when the manager is back. That it is there at first is not waited for. */
export async function* followed<C extends CollectionName>(
  client: RestClient,
  terminal: Terminal,
  collection: C,
  signal: AbortSignal,
): AsyncGenerator<ItemOf<C>[], void> {
  let isKnown = false;
  let isGone = false;
  while (!signal.aborted) {
    try {
      for await (const items of client.watch(collection, signal)) {
        if (isGone) terminal.err("The manager answers again.\n");
        isKnown = true;
        isGone = false;
        yield items;
      }
    } catch (error) {
      if (!isKnown || !(error instanceof UnreachableError)) throw error;
      if (!isGone) terminal.err(`${error.message}. It is tried again.\n`);
      isGone = true;
      await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }
}

export interface View<C extends CollectionName> {
  collection: C;
  /** @returns what is printed as JSON */
  value: (items: ItemOf<C>[]) => unknown;
  /** @returns lines, each with its end */
  text: (items: ItemOf<C>[]) => string;
}

/** @throws what `value` and `text` throw */
export async function showList<C extends CollectionName>(
  call: Call<WatchFlags>,
  { collection, value, text }: View<C>,
): Promise<void> {
  const { client, terminal } = call;
  const isWatched = call.flags.watch === true;
  const lists = isWatched
    ? followed(client, terminal, collection, stopSignal())
    : [await client.list(collection)];
  await print(call, lists, value, text);
}

/** @param what "volume", for the message that there is none of that name */
export async function showOne<C extends CollectionName>(
  call: Call<WatchFlags>,
  {
    collection,
    what,
    name,
    text,
  }: { collection: C; what: string; name: string; text: (item: ItemOf<C>) => string },
): Promise<void> {
  const { client, flags, terminal } = call;
  const found = (item: ItemOf<C> | null | undefined): ItemOf<C> => {
    if (item === null || item === undefined) throw missing(what, name);
    return item;
  };
  if (flags.watch !== true) {
    await print(call, [found(await client.get(collection, name))], (item) => item, text);
    return;
  }
  const lists = followed(client, terminal, collection, stopSignal());
  const pick = (items: ItemOf<C>[]) => found(items.find(({ id }) => id === name));
  await print(call, lists, pick, (items) => text(pick(items)));
}

async function print<T>(
  { flags, terminal }: Call<WatchFlags>,
  versions: Iterable<T> | AsyncIterable<T>,
  value: (version: T) => unknown,
  text: (version: T) => string,
): Promise<void> {
  let before: string | null = null;
  for await (const version of versions) {
    const shown = flags.json === true ? `${JSON.stringify(value(version))}\n` : text(version);
    if (shown === before) continue;
    if (flags.json === true || flags.watch !== true) terminal.out(shown);
    else terminal.redraw(shown, before === null);
    before = shown;
  }
}
