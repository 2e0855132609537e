/** The volume's frontend: which one it is, and whether it is up. */
import { withContext } from "../../proto/rpc-error.js";
import { newFrontend, type Frontend, type Succession } from "./frontend.js";
import type { VolumeState } from "./volume-state.js";

export class FrontendSwitch {
  #frontend: Frontend | null;
  #up = false;

  /** @throws {Error} for a frontend that is not known */
  constructor(private readonly state: VolumeState) {
    const { frontend } = state.options;
    this.#frontend = frontend === "" ? null : this.#make(frontend);
  }

  get name(): string {
    return this.#frontend?.name ?? "";
  }

  get isUp(): boolean {
    return this.#up;
  }

  /** "" unless it is up */
  get endpoint(): string {
    return this.#up ? (this.#frontend?.endpoint ?? "") : "";
  }

  /** The block device by which the volume is used on this machine; null when there is none. */
  get device(): string | null {
    return this.name === "tgt-blockdev" && this.#up ? this.endpoint : null;
  }

  #make(name: string): Frontend {
    const { options, log } = this.state;
    const { volume, portals, runDirectory } = options;
    return newFrontend(name, { volume, portals, runDirectory, log });
  }

  /** Starts one; without replicas it is started with them.
   * @throws {Error} */
  async start(name: string): Promise<void> {
    if (name === "") throw new Error("cannot start empty frontend");
    const { name: present = name } = this.#frontend ?? {};
    if (this.#up) {
      if (present !== name)
        throw new Error(`frontend ${present} is already started, cannot be set as ${name}`);
      return;
    }
    this.choose(name);
    if (this.state.attached !== null) await this.startIfAny(null);
  }

  /** Another one, that is down.
   * @throws {Error} for a frontend that is not known */
  choose(name: string): void {
    this.#frontend = this.#make(name);
  }

  /** Starts the one that was chosen.
   * @throws {Error} */
  async startIfAny(succession: Succession | null): Promise<void> {
    if (this.#frontend === null) return;
    try {
      await this.#frontend.start(this.state.running(), this.state.size, succession);
    } catch (error) {
      throw withContext("failed to start up frontend", error);
    }
    this.#up = true;
  }

  /** @throws {Error} the volume cannot become larger while it is up */
  checkGrowth(): void {
    if (this.running?.grow === null) throw new Error(`frontend ${this.name} does not support expansion`);
  }

  /** The volume has become larger. @throws {Error} */
  async grow(): Promise<void> {
    await this.running?.grow?.(this.state.size);
  }

  async stop(): Promise<void> {
    if (!this.#up) return;
    this.#up = false;
    await this.#frontend?.stop();
  }

  /** The volume is another engine's. */
  async abandon(): Promise<void> {
    const frontend = this.running;
    this.#up = false;
    await frontend?.abandon?.();
  }

  /** @returns the one that is up, or null */
  get running(): Frontend | null {
    return this.#up ? this.#frontend : null;
  }

  /** It is looked after by somebody else from now on. */
  forget(): void {
    this.#up = false;
  }
}
