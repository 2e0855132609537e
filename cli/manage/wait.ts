/** Follows a volume, or a node, until what was asked for has come about, with a bar on a terminal and lines elsewhere, on stderr. */
import { setTimeout as sleep } from "node:timers/promises";
import type { CollectionName, ItemOf } from "../../rest-client/resources.js";
import type { Call, WaitFlags } from "./call.js";
import { ManageError } from "./exit-codes.js";
import type { Progress, Step } from "./progress.js";
import { followed } from "./show.js";
import type { Terminal } from "./terminal.js";

const LOOK_MS = 100;
const BAR_CELLS = 24;

/** @returns how it ended, for people
 * @throws {ManageError} it cannot come about, or not in time */
export async function wait<C extends CollectionName>(
  call: Call<WaitFlags>,
  collection: C,
  name: string,
  step: Step<ItemOf<C>>,
): Promise<string> {
  const { client, flags, terminal } = call;
  const began = performance.now();
  const stop = new AbortController();
  const seen: { item: ItemOf<C> | null | undefined; failure: Error | null } = {
    item: undefined,
    failure: null,
  };
  const feed = (async () => {
    for await (const items of followed(client, terminal, collection, stop.signal))
      seen.item = items.find(({ id }) => id === name) ?? null;
  })().catch((error: unknown) => (seen.failure = error instanceof Error ? error : new Error(String(error))));
  const line = new ProgressLine(terminal, name);
  try {
    for (;;) {
      if (seen.failure !== null) throw seen.failure;
      const forMs = performance.now() - began;
      if (seen.item !== undefined) {
        const progress = step(seen.item, forMs);
        if (progress.is === "done") return progress.text;
        if (progress.is === "in vain") throw new ManageError("IN_VAIN", progress.why);
        line.show(progress);
        if (flags.timeout !== undefined && forMs >= flags.timeout) throw late(name, collection, flags.timeout, progress.text); // prettier-ignore
      }
      await sleep(LOOK_MS);
    }
  } finally {
    line.clear();
    stop.abort();
    await feed;
  }
}

function late(name: string, collection: CollectionName, timeoutMs: number, text: string): ManageError {
  const more = collection === "volumes" ? `\naurochs explain ${name} says more` : "";
  return new ManageError("TIMEOUT", `not within ${timeoutMs / 1000} s: ${text}${more}`);
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
