/** Runs the CSI driver until a signal. */
import { readFile } from "node:fs/promises";
import { runDriver } from "../csi/main.js";
import type { CsiFlags } from "./csi-command.js";
import { processLog } from "./log.js";
import { dieWithParent } from "./parent.js";
import { serve } from "./serve.js";
import { version } from "./version.js";

export function serveCsi(flags: CsiFlags): Promise<never> {
  dieWithParent();
  const log = processLog("csi");
  return serve(log, "the CSI driver", async () => {
    const { endpoint, nodeId: node, drivername: name, managerUrl, tokenFile } = flags;
    const token = tokenFile === undefined ? null : (await readFile(tokenFile, "utf8")).trim();
    const driver = await runDriver(
      { endpoint, node, name, managerUrl, version: version(), token: token ?? (process.env["AUROCHS_TOKEN"] || null) }, // prettier-ignore
      log,
    );
    return () => driver.close();
  });
}
