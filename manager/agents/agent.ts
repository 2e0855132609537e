/** One node's agent, as the manager sees it: what it has told, whether it can be reached, and calls to it. */
import type { Logger } from "pino";
import { formatHostPort, type HostPort } from "../../engine/host-port.js";
import {
  InstanceService,
  NodeAgent,
  NodeAgentStreams,
  ProxyEngineService,
  type DiskStatus,
  type EngineReport,
  type InstanceResponse,
  type NodeEvent,
  type NodeFacts,
} from "../../proto/instance-manager.js";
import { follow, type Following } from "../../proto/server-stream.js";
import { unaryClient, type Calls } from "../../proto/unary.js";
import { KEEPALIVE_MS, NODE_GRACE_MS, RETRY_MS } from "./limits.js";

export interface AgentCalls {
  instances: Calls<typeof InstanceService>;
  node: Calls<typeof NodeAgent>;
  proxy: Calls<typeof ProxyEngineService>;
}

/** Of what something has changed: the name of an instance, of an engine that has reported, of a disk, or the node as a whole. */
export type AgentChange = { of: "node" } | { of: "instance" | "report" | "disk"; name: string };

export class Agent {
  /** as last told; null: it never was reached */
  facts: NodeFacts | null = null;
  readonly instances = new Map<string, InstanceResponse>();
  readonly engines = new Map<string, EngineReport>();
  readonly disks = new Map<string, DiskStatus>();
  #calls: (AgentCalls & { close(): void }) | null = null;
  #stream: Following | null = null;
  #retry: NodeJS.Timeout | null = null;
  #downTimer: NodeJS.Timeout | null = null;
  #isDown = false;
  #isOf: string | null = null;
  #stopped = false;

  /** @param address of its instance service, the last of its four ports
   * @param ownersOf the nodes that have a disk, by its UUID
   * @param onChange called after the state here has changed */
  constructor(
    readonly node: string,
    readonly address: HostPort,
    private readonly ownersOf: (disk: string) => readonly string[],
    private readonly onChange: (change: AgentChange) => void,
    private readonly log: Logger,
  ) {
    this.#lost();
    this.#follow();
  }

  /** Its state is known, and calls go through; null while it cannot be reached. */
  get calls(): AgentCalls | null {
    return this.#calls;
  }

  /** It was not reached for longer than a restart of an agent takes. */
  get isDown(): boolean {
    return this.#isDown;
  }

  /** Another node, by its disks, whose agent answers at the address: nothing is asked of it; null: none. */
  get isOf(): string | null {
    return this.#isOf;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of [this.#retry, this.#downTimer]) if (timer !== null) clearTimeout(timer);
    this.#stream?.close();
    this.#calls?.close();
    this.#calls = null;
  }

  #follow(): void {
    const onEvent = (event: NodeEvent) => this.#take(event);
    this.#stream = follow(NodeAgentStreams.watch, formatHostPort(this.address), {}, onEvent, KEEPALIVE_MS);
    void this.#stream.ended.then((error) => {
      if (this.#stopped) return;
      if (this.#calls !== null) {
        this.log.warn({ node: this.node, err: error }, "the agent of a node is lost");
        this.#lost();
      }
      this.#retry = setTimeout(() => this.#follow(), RETRY_MS);
    });
  }

  #lost(): void {
    this.#calls?.close();
    this.#calls = null;
    this.#downTimer ??= setTimeout(() => {
      this.#downTimer = null;
      this.#isDown = true;
      this.log.warn({ node: this.node }, "a node is down");
      this.#tellAll();
    }, NODE_GRACE_MS);
  }

  #take({ state, instance, engine, disk, diskForgotten }: NodeEvent): void {
    if (state !== null) this.#noteOwner(state.disks);
    // What was on its way while the stream was ended.
    if (this.#isOf !== null) return;
    if (state !== null) {
      this.facts = state.node;
      const gone = [...this.instances.keys()];
      replace(this.instances, state.instances, ({ spec }) => spec?.name ?? "");
      replace(this.engines, state.engines, ({ name }) => name);
      replace(this.disks, state.disks, ({ name }) => name);
      this.#connected();
      this.#tellAll(gone);
    } else if (instance !== null) this.#takeInstance(instance);
    else if (engine !== null) {
      this.engines.set(engine.name, engine);
      this.onChange({ of: "report", name: engine.name });
    } else if (disk !== null) {
      this.disks.set(disk.name, disk);
      this.onChange({ of: "disk", name: disk.name });
    } else if (diskForgotten !== "") {
      this.disks.delete(diskForgotten);
      this.onChange({ of: "disk", name: diskForgotten });
    }
  }

  /** What runs on another node would be stopped here, and started there once more. */
  #noteOwner(disks: readonly DiskStatus[]): void {
    const owners = disks.map(({ uuid }) => this.ownersOf(uuid)).filter((nodes) => nodes.length > 0);
    const before = this.#isOf;
    this.#isOf = owners.some((nodes) => nodes.includes(this.node)) ? null : (owners[0]?.[0] ?? null);
    if (this.#isOf === null) return;
    this.#stream?.close();
    if (this.#isOf === before) return;
    this.log.error({ node: this.node, address: this.address, isOf: this.#isOf }, "the agent of another node answers"); // prettier-ignore
    this.onChange({ of: "node" });
  }

  #takeInstance(instance: InstanceResponse): void {
    const name = instance.spec?.name ?? "";
    if (instance.deleted) this.instances.delete(name);
    else this.instances.set(name, instance);
    // Another process under the same name has not told anything yet.
    const report = this.engines.get(name);
    if (report !== undefined && (instance.deleted || report.uuid !== instance.status?.uuid))
      this.engines.delete(name);
    this.onChange({ of: "instance", name });
  }

  #connected(): void {
    if (this.#downTimer !== null) clearTimeout(this.#downTimer);
    this.#downTimer = null;
    this.#isDown = false;
    const { host, port } = this.address;
    const instances = unaryClient(InstanceService, formatHostPort(this.address));
    const node = unaryClient(NodeAgent, formatHostPort(this.address));
    const proxy = unaryClient(
      ProxyEngineService,
      formatHostPort({ host, port: this.facts?.proxyPort ?? port }),
    );
    this.#calls?.close();
    this.#calls = {
      ...{ instances: instances.calls, node: node.calls, proxy: proxy.calls },
      close: () => {
        for (const client of [instances, node, proxy]) client.close();
      },
    };
    this.log.info({ node: this.node, facts: this.facts }, "the agent of a node is reached");
  }

  #tellAll(also: readonly string[] = []): void {
    this.onChange({ of: "node" });
    for (const name of new Set([...this.instances.keys(), ...also])) this.onChange({ of: "instance", name });
  }
}

function replace<T>(map: Map<string, T>, values: readonly T[], nameOf: (value: T) => string): void {
  map.clear();
  for (const value of values) map.set(nameOf(value), value);
}
