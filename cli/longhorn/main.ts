/** `longhorn`: Longhorn's command line for our engines and replicas. */
import { noteExit } from "../../manager/instance-manager/exit-file.js";
import { run } from "./run.js";

noteExit();
// What still is under way must not keep the process: that of an engine that was fenced, say.
process.exit(await run(process.argv.slice(2)));
