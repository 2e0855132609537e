/** A frontend that cannot be handed to the next engine: whoever uses it has to connect anew. */
import type { AttachedVolume } from "../attached-volume.js";
import type { Frontend } from "./frontend.js";

export abstract class FixedFrontend implements Frontend {
  abstract readonly name: string;
  abstract readonly endpoint: string;

  abstract readonly grow: Frontend["grow"];
  readonly abandon = null;

  abstract start(attached: AttachedVolume, size: number): Promise<void>;
  abstract stop(): Promise<void>;

  suspend(): Promise<Buffer | null> {
    return Promise.reject(new Error(`frontend ${this.name} cannot be handed over`));
  }

  resume(): void {
    // It went on.
  }

  leave(): Promise<void> {
    return this.stop();
  }

  close(): Promise<void> {
    return this.stop();
  }
}
