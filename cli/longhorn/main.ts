/** `longhorn`: Longhorn's command line for our engines and replicas. */
import { run } from "./run.js";

process.exitCode = await run(process.argv.slice(2));
