/** `aurochs up` whose ready file cannot be written: at its start it ends, with all that it began; later it goes on. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { freePorts } from "../../cli/free-ports.js";
import { EXIT } from "../../engine/exit-codes.js";
import { isAlive, processesNaming, startDaemon, waitFor } from "../tools/process.js";

const WAIT_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), "aurochs-ready-file-"));
t.teardown(() => rmSync(directory, { recursive: true }));

const [portal = 0, api = 0] = await freePorts([], 2, 1);
const MODES: Record<string, string[]> = {
  volume: ["--volume", "test", "--size", "16m", "--portal", `127.0.0.1:${portal}`],
  system: ["--nodes", "1", "--listen", `127.0.0.1:${api}`],
};

for (const [mode, flags] of Object.entries(MODES))
  t.test(`a ${mode}`, async (t) => {
    const folder = join(directory, "ready");
    const state = join(directory, mode);
    const file = join(folder, "file");
    const start = () => {
      const up = startDaemon("bin/aurochs", ["up", "--state-dir", state, "--ready-file", file, ...flags]);
      t.teardown(() => isAlive(up.pid) && process.kill(up.pid, "SIGKILL"));
      return up;
    };
    const refused = start();
    await waitFor("it to end", WAIT_MS, () => !isAlive(refused.pid) || undefined);
    t.equal(await refused.ended, EXIT.FAILED.code);
    t.match(refused.output(), `ENOENT: no such file or directory, open '${file}.tmp'`);
    t.strictSame(processesNaming(state), []);

    mkdirSync(folder);
    const up = start();
    await waitFor("it to serve", WAIT_MS, () => existsSync(file) || undefined);
    rmSync(folder, { recursive: true });
    const restartAll = () => {
      for (const pid of processesNaming(state)) if (pid !== up.pid) process.kill(pid, "SIGKILL");
    };
    restartAll();
    await waitFor("it to say so", WAIT_MS, () => up.output().includes("ENOENT") || undefined);
    mkdirSync(folder);
    restartAll();
    await waitFor("the file to be back", WAIT_MS, () => existsSync(file) || undefined);
    up.child.kill("SIGTERM");
    t.equal(await up.ended, EXIT.OK.code);
    rmSync(folder, { recursive: true });
  });
