/** The agents of all nodes. */
import type { Logger } from "pino";
import type { HostPort } from "../../engine/host-port.js";
import type { Change, Store } from "../store/store.js";
import { Agent, type AgentChange } from "./agent.js";

export type AgentListener = (agent: Agent, change: AgentChange) => void;

export class Agents {
  readonly #agents = new Map<string, Agent>();
  readonly #listeners = new Set<AgentListener>();
  /** by node, as their objects say */
  readonly #disks = new Map<string, readonly string[]>();
  readonly #endWatch: () => void;

  /** @param addresses by node, of agents' instance services */
  constructor(addresses: ReadonlyMap<string, HostPort>, store: Store, log: Logger) {
    this.#endWatch = store.watch("Node", { onChange: (change) => this.#noteDisks(change) });
    for (const [node, address] of addresses) {
      const ownersOf = (disk: string) => this.#ownersOf(disk);
      const agent: Agent = new Agent(node, address, ownersOf, (change) => this.#tell(agent, change), log);
      this.#agents.set(node, agent);
    }
  }

  /** null: there is no such node (any more) */
  get(node: string): Agent | null {
    return this.#agents.get(node) ?? null;
  }

  list(): Agent[] {
    return [...this.#agents.values()];
  }

  /** @returns ends it */
  watch(listener: AgentListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  stop(): void {
    this.#endWatch();
    this.#listeners.clear();
    for (const agent of this.#agents.values()) agent.stop();
  }

  #noteDisks({ change, object: { metadata, status } }: Change<"Node">): void {
    if (change === "DELETED") this.#disks.delete(metadata.name);
    else this.#disks.set(metadata.name, Object.values(status.diskStatus).map(({ diskUUID }) => diskUUID)); // prettier-ignore
  }

  #ownersOf(disk: string): string[] {
    return [...this.#disks].filter(([, disks]) => disks.includes(disk)).map(([node]) => node);
  }

  #tell(agent: Agent, change: AgentChange): void {
    for (const listener of [...this.#listeners]) listener(agent, change);
  }
}
