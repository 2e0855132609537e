/** All metrics of a manager, as Prometheus asks for them. */
import { Registry } from "prom-client";
import type { EngineOperations, NodeOperations } from "../operations.js";
import type { Store } from "../store/store.js";
import { registerObjectMetrics } from "./object-metrics.js";
import { registerNodeMetrics } from "./node-metrics.js";
import { OwnMetrics } from "./own-metrics.js";
import { registerPerformanceMetrics } from "./performance-metrics.js";
import { registerTotalsMetrics } from "./totals-metrics.js";

export class ManagerMetrics {
  readonly #registry = new Registry();
  readonly own: OwnMetrics;

  constructor(store: Store, operations: EngineOperations & Pick<NodeOperations, "machineUse">) {
    registerObjectMetrics(this.#registry, store);
    registerPerformanceMetrics(this.#registry, store, operations);
    registerTotalsMetrics(this.#registry, store, operations);
    registerNodeMetrics(this.#registry, store, operations);
    this.own = new OwnMetrics(this.#registry);
  }

  async text(): Promise<{ type: string; text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
