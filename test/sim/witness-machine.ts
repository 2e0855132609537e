/** A machine whose daemon is a witness. */
import type { Logger } from "pino";
import { runWitness } from "../../replica/witness.js";
import { CONTROL_PORT, Machine } from "./machine.js";

export const WITNESS_NAME = "w1";

export class WitnessMachine extends Machine {
  protected override async open(log: Logger): Promise<null> {
    const { directory, name: host } = this;
    await runWitness({ directory, volume: null, host, port: CONTROL_PORT }, log);
    return null;
  }
}
