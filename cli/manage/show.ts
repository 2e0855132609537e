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

/** ms between looks at what the API has no stream of. */
const LOOK_MS = 2_000;

/** As `RestClient.watch`, and goes on when the manager is back. That it is there at first is not waited for. */
export function followed<C extends CollectionName>(
  client: RestClient,
  terminal: Pick<Terminal, "err">,
  collection: C,
  signal: AbortSignal,
): AsyncGenerator<ItemOf<C>[], void> {
  return persistent(terminal, () => client.watch(collection, signal), signal);
}

async function* persistent<T>(
  terminal: Pick<Terminal, "err">,
  open: () => AsyncGenerator<T, void>,
  signal: AbortSignal,
): AsyncGenerator<T, void> {
  let isKnown = false;
  let isGone = false;
  while (!signal.aborted) {
    try {
      for await (const version of open()) {
        if (isGone) terminal.err("The manager answers again.\n");
        isKnown = true;
        isGone = false;
        yield version;
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

/** What the API has no stream of: it is asked again and again.
 * @throws what `look` and `text` throw */
export async function showLooked<T>(
  call: Call<WatchFlags>,
  look: () => Promise<T>,
  text: (found: T) => string,
): Promise<void> {
  const signal = stopSignal();
  const versions =
    call.flags.watch === true ? persistent(call.terminal, () => looks(look, signal), signal) : [await look()];
  await print(call, versions, (found) => found, text);
}

/** Each that is not as the one before. */
async function* looks<T>(look: () => Promise<T>, signal: AbortSignal): AsyncGenerator<T, void> {
  let before = "";
  while (!signal.aborted) {
    const found = await look();
    const now = JSON.stringify(found);
    if (now !== before) yield found;
    before = now;
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
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
