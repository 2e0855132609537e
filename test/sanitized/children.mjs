// What this process starts does not get the sanitizer's runtime, unless it is Node again: then by the same way.
import { fileURLToPath } from "node:url";

delete process.env.LD_PRELOAD;
process.execPath = fileURLToPath(new URL("bin/node", import.meta.url));
