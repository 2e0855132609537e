/** Unit attention conditions (SAM-5, SPC-5): what a nexus has to be told before its next command. */
import { UNIT_ATTENTIONS_MAX } from "./limits.js";
import type { Sense } from "./sense.js";

export const ATTENTION = {
  POWER_ON: { key: 0x6, asc: 0x29, ascq: 0x00 },
  BUS_DEVICE_RESET: { key: 0x6, asc: 0x29, ascq: 0x03 },
  NEXUS_LOSS: { key: 0x6, asc: 0x29, ascq: 0x07 },
  MODE_PARAMETERS_CHANGED: { key: 0x6, asc: 0x2a, ascq: 0x01 },
  RESERVATIONS_PREEMPTED: { key: 0x6, asc: 0x2a, ascq: 0x03 },
  RESERVATIONS_RELEASED: { key: 0x6, asc: 0x2a, ascq: 0x04 },
  REGISTRATIONS_PREEMPTED: { key: 0x6, asc: 0x2a, ascq: 0x05 },
  CAPACITY_CHANGED: { key: 0x6, asc: 0x2a, ascq: 0x09 },
  COMMANDS_CLEARED: { key: 0x6, asc: 0x2f, ascq: 0x00 },
  INQUIRY_CHANGED: { key: 0x6, asc: 0x3f, ascq: 0x03 },
} as const satisfies Record<string, Sense>;
export type AttentionName = keyof typeof ATTENTION;

export function isAttentionName(name: unknown): name is AttentionName {
  return typeof name === "string" && Object.hasOwn(ATTENTION, name);
}

/** After one of these nothing older needs telling: everything was reset anyway. */
const RESETS: ReadonlySet<AttentionName> = new Set(["POWER_ON", "BUS_DEVICE_RESET", "NEXUS_LOSS"]);

/** One nexus' queue, oldest first, each condition once. */
export class AttentionQueue {
  #queue: AttentionName[] = [];

  add(name: AttentionName): void {
    if (RESETS.has(name)) this.#queue = [name];
    else if (!this.#queue.includes(name)) this.#queue = [...this.#queue, name].slice(-UNIT_ATTENTIONS_MAX);
  }

  /** Takes the oldest condition; it is cleared by being told. */
  take(): Sense | null {
    const name = this.#queue.shift();
    return name === undefined ? null : ATTENTION[name];
  }

  /** oldest first */
  get names(): readonly AttentionName[] {
    return this.#queue;
  }

  get pending(): boolean {
    return this.#queue.length > 0;
  }
}
