/** Runs the CSI driver until a signal. */
import { readFile } from "node:fs/promises";
import { runDriver } from "../csi/main.js";
import { EXIT } from "../engine/exit-codes.js";
import type { CsiFlags } from "./csi-command.js";
import { processLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { aborted, stopSignal } from "./signals.js";
import { version } from "./version.js";

/** Ends the process itself: what was begun must not keep one that cannot serve. */
export async function serveCsi(flags: CsiFlags): Promise<never> {
  dieWithParent();
  const stop = stopSignal();
  const log = processLog("csi");
  try {
    const { endpoint, nodeId: node, drivername: name, managerUrl, tokenFile } = flags;
    const token = tokenFile === undefined ? null : (await readFile(tokenFile, "utf8")).trim();
    const driver = await runDriver(
      { endpoint, node, name, managerUrl, version: version(), token: token ?? (process.env["AUROCHS_TOKEN"] || null) }, // prettier-ignore
      log,
    );
    await aborted(stop);
    await driver.close();
    process.exit(EXIT.OK.code);
  } catch (err) {
    log.fatal({ err }, "the CSI driver cannot serve");
    process.exit(EXIT.FAILED.code);
  }
}
