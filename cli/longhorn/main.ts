/** `longhorn`: Longhorn's command line for our engines and replicas. */
import { noteExit } from "../../manager/instance-manager/exit-file.js";
import { run } from "./run.js";

noteExit();
process.exitCode = await run(process.argv.slice(2));
