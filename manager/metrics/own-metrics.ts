/** What Longhorn has no number for about the manager itself: requests to its API. */
import { Gauge, Histogram, type Registry } from "prom-client";

/** s: from a local read to an attachment that waits for a node. */
const REQUEST_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class OwnMetrics {
  readonly #requests: Histogram;
  readonly #streams: Gauge;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#requests = new Histogram({
      name: "aurochs_http_request_duration_seconds",
      help: "Time from a request to the end of its reply.",
      labelNames: ["method", "route", "status"],
      buckets: REQUEST_BUCKETS,
      registers,
    });
    this.#streams = new Gauge({
      name: "aurochs_http_streams",
      help: "WebSockets that are open.",
      registers,
    });
  }

  /** @param route as it is registered, so that names of volumes make no series */
  request(method: string, route: string, status: number, seconds: number): void {
    this.#requests.observe({ method, route, status: String(status) }, seconds);
  }

  streams(count: number): void {
    this.#streams.set(count);
  }
}
