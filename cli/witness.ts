/** Runs a witness until a signal. */
import { EXIT } from "../engine/exit-codes.js";
import { runWitness, type WitnessOptions } from "../replica/witness-server.js";
import { processLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { aborted, stopSignal } from "./signals.js";

/** @returns the exit code */
export async function serveWitness(options: WitnessOptions): Promise<number> {
  dieWithParent();
  const stop = stopSignal();
  const log = processLog("witness");
  try {
    const witness = await runWitness(options, log);
    await aborted(stop);
    await witness.stop();
    return EXIT.OK.code;
  } catch (err) {
    log.fatal({ err }, "the witness cannot be served");
    return EXIT.FAILED.code;
  }
}
