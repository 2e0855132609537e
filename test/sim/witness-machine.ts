/** A machine whose daemon is a witness, or one of its voters. */
import type { Logger } from "pino";
import { runWitness } from "../../replica/witness-server.js";
import { CONTROL_PORT, Machine } from "./machine.js";

/** of the only one, or the first */
export const WITNESS_NAME = "w1";
export const VOTER_NAMES = [WITNESS_NAME, "w2", "w3"] as const;

export class WitnessMachine extends Machine {
  protected override async open(log: Logger): Promise<null> {
    const { directory, name: host } = this;
    await runWitness({ directory, volume: null, host, port: CONTROL_PORT }, log);
    return null;
  }
}
