// What this process starts does not get the sanitizer's runtime, unless it is Node again: then by the same way.
import { fileURLToPath } from "node:url";

const given = process.env.AUROCHS_GIVEN_PRELOAD ?? "";
if (given === "") delete process.env.LD_PRELOAD;
else process.env.LD_PRELOAD = given;
process.execPath = fileURLToPath(new URL("bin/node", import.meta.url));
