/** How much of a machine there is, and how much of it is in use, by whomever. */
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import type { MachineUseReply } from "../../proto/instance-manager.js";

/** ms since the machine started, of all processors together */
export interface ProcessorTimes {
  busy: number;
  total: number;
}

/** ms of one processor: in less it is chance who was busy, and the last answer counts. */
const SPAN_MS_MIN = 1_000;
const MILLI = 1_000;

export class MachineUse {
  #before: ProcessorTimes;
  #usage = 0;

  constructor(private readonly read: () => ProcessorTimes = readTimes) {
    this.#before = read();
  }

  /** Of processors between the last time that somebody asked and now. */
  look(): MachineUseReply {
    const capacity = availableParallelism() * MILLI;
    const now = this.read();
    const span = now.total - this.#before.total;
    if (span >= SPAN_MS_MIN) {
      this.#usage = Math.round(((now.busy - this.#before.busy) / span) * capacity);
      this.#before = now;
    }
    // What can be had back at once, as file caches, is free.
    const memory = { memoryCapacity: totalmem(), memoryUsage: totalmem() - freemem() };
    return { cpuCapacity: capacity, cpuUsage: this.#usage, ...memory };
  }
}

function readTimes(): ProcessorTimes {
  const sum = { busy: 0, total: 0 };
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq;
    sum.busy += busy;
    sum.total += busy + times.idle;
  }
  return sum;
}
