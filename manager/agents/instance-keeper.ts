/** Keeps the process of an engine, a replica or a witness where its object wants it: started, stopped, and nowhere else. */
import { status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { DataEngine, type InstanceResponse, type InstanceSpec } from "../../proto/instance-manager.js";
import { errorText, isUnanswered, RpcError } from "../../proto/rpc-error.js";
import { tellAs, type Events } from "../events/events.js";
import { isDeleted, type Resource } from "../objects/resource.js";
import type { Agent, AgentCalls } from "./agent.js";
import type { Agents } from "./agents.js";
import { CALL_TIMEOUT_MS } from "./limits.js";
import { creationFailure } from "./instance-status.js";
import { isAnothers } from "./new-instance.js";
import { directoryOf } from "./replica-instance.js";

type Kept = Resource<"Engine" | "Replica" | "Witness">;

/** What is known of its process. `waiting`: its node's agent does not answer, and may do so in a moment. */
export type Presence =
  | Reached
  | { is: "waiting" }
  | { is: "down" }
  /** its node is none of ours (any more), or it was never given one */
  | { is: "nowhere" };

interface Reached {
  is: "reached";
  agent: Agent;
  calls: AgentCalls;
  /** null: there is none */
  instance: InstanceResponse | null;
  /** why the agent has not started it; null: it was not asked to, or does so */
  refusal: string | null;
}

/** What is to be started; null: nothing, as long as the agent tells what it does. */
export type SpecOf = (agent: Agent) => InstanceSpec | null | Promise<InstanceSpec | null>;

export class InstanceKeeper {
  constructor(
    private readonly agents: Agents,
    private readonly events: Events,
    private readonly log: Logger,
  ) {}

  /** Starts or stops it, and looks how it is.
   * @param specOf what is to be started there; asked only when it is
   * @param isHeld it is deleted, and still kept: it runs as long as it is wanted, as any other
   * @throws {RpcError} the agent does not stop it, or gives no answer */
  async keep(object: Kept, specOf: SpecOf, isHeld = false): Promise<Presence> {
    const { spec } = object;
    await this.#removeOthers(object);
    const presence = this.#find(object);
    if (presence.is !== "reached") return presence;
    const { agent, calls, instance } = presence;
    const isWanted = spec.desireState === "running" && (!isDeleted(object) || isHeld);
    const state = instance?.status?.state ?? "";
    // Of one that is deleted nobody else notes that it failed, and starts it again.
    const isToGo = state === "stopped" || !isWanted || (isHeld && state === "error");
    if (isWanted && instance === null) {
      // Once it was told that it failed, it is started again when that is wanted anew.
      if (object.status.currentState === "error" && !isHeld)
        return { ...presence, refusal: creationFailure(object.status) };
      const wanted = await specOf(agent);
      const refusal = wanted === null ? null : await this.#start(object, wanted, calls);
      if (refusal !== null) return { ...presence, refusal };
    } else if (instance !== null && state !== "stopping" && isToGo) await this.#stop(object, agent, instance);
    return this.#find(object);
  }

  /** @param why it ended before it ran */
  tellFailedStart(object: Kept, why: string): void {
    this.#tell(object, "Warning", "FailedStarting", `${object.metadata.name} cannot be started: ${why}`);
  }

  /** @param why its directory cannot be removed */
  tellLeftBehind(object: Resource<"Replica" | "Witness">, why: string): void {
    const { name } = object.metadata;
    this.#tell(object, "Warning", "FailedDeleting", `${name} is gone, and its directory ${directoryOf(object)} is left behind: ${why}`); // prettier-ignore
  }

  #find({ spec, metadata }: Kept): Presence {
    const agent = spec.nodeID === "" ? null : this.agents.get(spec.nodeID);
    if (agent === null) return { is: "nowhere" };
    const { calls } = agent;
    if (calls === null) return { is: agent.isDown ? "down" : "waiting" };
    const instance = agent.instances.get(metadata.name);
    return {
      ...{ is: "reached", agent, calls },
      instance: instance === undefined || isAnothers(metadata, instance) ? null : instance,
      refusal: null,
    };
  }

  /** One that was left behind, by a node that was away while it was started on another one, or its object was made anew. */
  async #removeOthers(object: Kept): Promise<void> {
    for (const agent of this.agents.list()) {
      const instance = agent.instances.get(object.metadata.name);
      if (instance === undefined || agent.calls === null || instance.status?.state === "stopping") continue;
      if (agent.node === object.spec.nodeID && !isAnothers(object.metadata, instance)) continue;
      await this.#stop(object, agent, instance);
    }
  }

  /** @returns why the agent does not do it; null: it does */
  async #start(object: Kept, spec: InstanceSpec, calls: AgentCalls): Promise<string | null> {
    const { name } = object.metadata;
    try {
      await calls.instances.instanceCreate({ spec }, { timeoutMs: CALL_TIMEOUT_MS });
      this.#tell(object, "Normal", "Start", `${name} is started on ${object.spec.nodeID}`);
      return null;
    } catch (error) {
      if (error instanceof RpcError && error.code === status.ALREADY_EXISTS) return null;
      this.tellFailedStart(object, errorText(error));
      if (isUnanswered(error)) throw error;
      return errorText(error);
    }
  }

  async #stop(object: Kept, { calls, node }: Agent, { status: is, spec }: InstanceResponse): Promise<void> {
    const { name } = object.metadata;
    const request = {
      ...{ name, uuid: is?.uuid ?? "", type: spec?.type ?? "", dataEngine: DataEngine.DATA_ENGINE_V1 },
      ...{ backendStoreDriver: 0, diskUuid: "", cleanupRequired: false },
    };
    try {
      await calls?.instances.instanceDelete(request, { timeoutMs: CALL_TIMEOUT_MS });
      this.#tell(object, "Normal", "Stop", `${name} is stopped on ${node}`);
    } catch (error) {
      if (error instanceof RpcError && error.code === status.NOT_FOUND) return;
      this.#tell(object, "Warning", "FailedStopping", `${name} cannot be stopped: ${errorText(error)}`);
      throw error;
    }
  }

  #tell(object: Kept, type: "Normal" | "Warning", reason: string, message: string): void {
    const { kind, metadata } = object;
    this.log.info({ name: metadata.name, reason }, message);
    tellAs(this.events, `longhorn-${kind.toLowerCase()}-controller`)(object, { type, reason, message });
  }
}
