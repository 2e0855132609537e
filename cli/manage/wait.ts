/** Follows what there is until what was asked for has come about, with a bar on a terminal and lines elsewhere, on stderr. */
import { setTimeout as sleep } from "node:timers/promises";
import type { CollectionName, ItemOf } from "../../rest-client/resources.js";
import type { Call, WaitFlags } from "./call.js";
import { ManageError } from "./exit-codes.js";
import type { Progress, Step } from "./progress.js";
import { followed } from "./show.js";
import type { Terminal } from "./terminal.js";

const LOOK_MS = 100;
const BAR_CELLS = 24;

/** A volume, or a node.
 * @returns how it ended, for people
 * @throws {ManageError} it cannot come about, or not in time */
export function wait<C extends CollectionName>(
  call: Call<WaitFlags>,
  collection: C,
  name: string,
  step: Step<ItemOf<C>>,
): Promise<string> {
  const hint = collection === "volumes" ? `\naurochs explain ${name} says more` : "";
  return waitForAll(call, name, [collection], ({ [collection]: items }, forMs) => step(items.find(({ id }) => id === name) ?? null, forMs), hint); // prettier-ignore
}

export type Lists<C extends CollectionName> = { readonly [K in C]: readonly ItemOf<K>[] };

/** What is told from more than one thing.
 * @param name before each line
 * @param step is asked when all collections are known
 * @param hint follows the message that it did not come about in time
 * @returns how it ended, for people
 * @throws {ManageError} it cannot come about, or not in time */
export async function waitForAll<C extends CollectionName>(
  { client, flags, terminal }: Call<WaitFlags>,
  name: string,
  collections: readonly C[],
  step: (lists: Lists<C>, forMs: number) => Progress,
  hint = "",
): Promise<string> {
  const began = performance.now();
  const stop = new AbortController();
  const lists: Partial<Record<C, unknown>> = {};
  const seen: { failure: Error | null } = { failure: null };
  const feeds = collections.map(async (collection, index) => {
    // That the manager is away is said once.
    const told = index === 0 ? terminal : { err: () => undefined };
    try {
      for await (const items of followed(client, told, collection, stop.signal)) lists[collection] = items;
    } catch (error) {
      seen.failure ??= error instanceof Error ? error : new Error(String(error));
    }
  });
  const line = new ProgressLine(terminal, name);
  try {
    for (;;) {
      if (seen.failure !== null) throw seen.failure;
      const forMs = performance.now() - began;
      if (collections.every((collection) => lists[collection] !== undefined)) {
        const progress = step(lists as Lists<C>, forMs);
        if (progress.is === "done") return progress.text;
        if (progress.is === "in vain") throw new ManageError("IN_VAIN", progress.why);
        line.show(progress);
        if (flags.timeout !== undefined && forMs >= flags.timeout)
          throw new ManageError("TIMEOUT", `not within ${flags.timeout / 1000} s: ${progress.text}${hint}`);
      }
      await sleep(LOOK_MS);
    }
  } finally {
    line.clear();
    stop.abort();
    await Promise.all(feeds);
  }
}

class ProgressLine {
  #last = "";

  constructor(
    private readonly terminal: Terminal,
    private readonly name: string,
  ) {}

  show({ text, percent }: Progress & { is: "under way" }): void {
    const { isErrTerminal, errColumns } = this.terminal;
    // In a log each tenth is enough.
    const shown = percent === null || isErrTerminal ? percent : Math.floor(percent / 10) * 10;
    const line = `${this.name}  ${shown === null ? "" : `${isErrTerminal ? bar(shown) : ""}${String(shown).padStart(3)} %  `}${text}`;
    if (line === this.#last) return;
    this.#last = line;
    this.terminal.err(isErrTerminal ? `\r\x1b[K${line.slice(0, errColumns - 1)}` : `${line}\n`);
  }

  clear(): void {
    if (this.terminal.isErrTerminal && this.#last !== "") this.terminal.err("\r\x1b[K");
  }
}

function bar(percent: number): string {
  const filled = Math.round((Math.min(100, Math.max(0, percent)) * BAR_CELLS) / 100);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_CELLS - filled)}] `;
}
