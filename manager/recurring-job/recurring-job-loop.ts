/** Does recurring jobs when they are due: each once at a time, and none twice for what was missed. */
import type { Logger } from "pino";
import { Loop } from "../control/loop.js";
import { tellAs, type Events, type Tell } from "../events/events.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import type { EngineOperations, NodeOperations } from "../operations.js";
import type { Store } from "../store/store.js";
import { parseTime } from "../volume/time.js";
import { mark, runJob, runningSince } from "./job-run.js";
import { RESUME_MS_MAX } from "./limits.js";
import { isDue, nextLook } from "../control/schedule.js";
import { dropLeftTickets } from "./tasks.js";

type Job = Resource<"RecurringJob">;

export class RecurringJobLoop {
  readonly #loop: Loop;
  /** of jobs: when the clock was looked at last, and for which spec */
  readonly #looks = new Map<string, { at: number; generation: number }>();
  readonly #running = new Map<string, Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #tell: Tell;
  readonly #begun: Promise<void>;

  /** @param now ms since 1970 */
  constructor(
    private readonly store: Store,
    private readonly engines: EngineOperations,
    private readonly nodes: NodeOperations,
    events: Events,
    private readonly log: Logger,
    private readonly now: () => number = Date.now,
  ) {
    this.#tell = tellAs(events, "longhorn-recurring-job");
    this.#loop = new Loop("recurring-job", store, (name) => this.#look(name), log);
    this.#begun = this.#begin().catch((err: unknown) => log.error({ err }, "recurring jobs not begun"));
  }

  async #begin(): Promise<void> {
    const jobs = await this.store.list("RecurringJob");
    const running = new Set(jobs.filter((job) => runningSince(job) !== null).map(({ metadata }) => metadata.name)); // prettier-ignore
    await dropLeftTickets(this.store, (job) => running.has(job));
    if (!this.#stopping.signal.aborted) this.#loop.follow("RecurringJob", ({ metadata }) => [metadata.name]);
  }

  /** Looks at the clock now. */
  look(job: string): void {
    this.#loop.add(job);
  }

  /** What is being done is left as it is; whoever comes next goes on with it. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the manager ends"));
    await this.#begun;
    await this.#loop.stop();
    await Promise.all(this.#running.values());
  }

  async #look(name: string): Promise<number | null> {
    const job = await this.store.get("RecurringJob", name);
    if (job === null || isDeleted(job)) {
      this.#looks.delete(name);
      return null;
    }
    const now = this.now();
    const { generation } = job.metadata;
    const last = this.#looks.get(name);
    this.#looks.set(name, { at: now, generation });
    if (last === undefined) await this.#resume(job, now);
    else if (last.generation === generation && isDue(job.spec.cron, last.at, now))
      this.#start(job, now, false);
    return Date.now() + nextLook(job.spec.cron, now) - now;
  }

  /** What another manager has begun is gone on with, unless that is long ago. */
  async #resume(job: Job, now: number): Promise<void> {
    const begun = runningSince(job);
    if (begun === null) return;
    const since = parseTime(begun);
    if (since <= now && now - since < RESUME_MS_MAX) this.#start(job, since, true);
    else {
      await mark({ store: this.store }, job, null);
      await dropLeftTickets(this.store, (other) => other !== job.metadata.name);
    }
  }

  #start(job: Job, since: number, resumed: boolean): void {
    const { name } = job.metadata;
    const log = this.log.child({ job: name });
    if (this.#running.has(name)) {
      log.warn("still being done: not begun again");
      return;
    }
    const { store, engines, nodes } = this;
    const context = { store, engines, nodes, tell: this.#tell, log, signal: this.#stopping.signal, since };
    const run = runJob(context, job, resumed)
      .catch((err: unknown) => log.error({ err }, "recurring job failed"))
      .finally(() => this.#running.delete(name));
    this.#running.set(name, run);
  }
}
