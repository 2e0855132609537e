import { mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { resolvedPath } from "./resolved-path.js";

t.test("a path has no links but in its last name, and no slash at its end", async (t) => {
  const directory = realpathSync(t.testdir());
  mkdirSync(join(directory, "real", "pod"), { recursive: true });
  symlinkSync("real", join(directory, "link"));
  symlinkSync("nowhere", join(directory, "dangling"));
  for (const [given, expected] of [
    ["real/pod", "real/pod"],
    ["link/pod", "real/pod"],
    ["link/pod///", "real/pod"],
    ["link//pod/../pod", "real/pod"],
    ["link/not/there/yet/", "real/not/there/yet"],
    ["link", "link"],
    ["link/", "link"],
    ["dangling/pod", "dangling/pod"],
  ] as const)
    t.equal(await resolvedPath(`${directory}/${given}`), join(directory, expected), given);
  t.equal(await resolvedPath("/"), "/");
  t.equal(await resolvedPath("/none/"), "/none");
});
