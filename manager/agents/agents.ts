/** The agents of all nodes. */
import type { Logger } from "pino";
import type { HostPort } from "../../engine/host-port.js";
import { Agent, type AgentChange } from "./agent.js";

export type AgentListener = (agent: Agent, change: AgentChange) => void;

export class Agents {
  readonly #agents = new Map<string, Agent>();
  readonly #listeners = new Set<AgentListener>();

  /** @param addresses by node, of agents' instance services */
  constructor(addresses: ReadonlyMap<string, HostPort>, log: Logger) {
    for (const [node, address] of addresses) {
      const agent: Agent = new Agent(node, address, (change) => this.#tell(agent, change), log);
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
    this.#listeners.clear();
    for (const agent of this.#agents.values()) agent.stop();
  }

  #tell(agent: Agent, change: AgentChange): void {
    for (const listener of [...this.#listeners]) listener(agent, change);
  }
}
