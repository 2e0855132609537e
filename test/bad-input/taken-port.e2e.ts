/** Who cannot serve ends, says why, and leaves its state to the next one. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { freePorts } from "../../cli/free-ports.js";
import { EXIT } from "../../engine/exit-codes.js";
import { isAlive, startDaemon, waitFor } from "../tools/process.js";

const WAIT_MS = 60_000;
const directory = mkdtempSync(join(tmpdir(), "aurochs-taken-port-"));
t.teardown(() => rmSync(directory, { recursive: true }));

const [from = 0] = await freePorts([], 1, 20);
const COMMANDS: Record<string, string[]> = {
  "instance-manager": ["--port-range", `${from}-${from + 19}`],
  // Nobody is there: it goes on trying, which must not keep it.
  manager: ["--node", "node-1=127.0.0.1:1"],
};

for (const [name, flags] of Object.entries(COMMANDS))
  t.test(name, async (t) => {
    const start = (at: number) =>
      startDaemon("bin/aurochs", [
        ...[name, "--state-dir", join(directory, name), "--listen", `127.0.0.1:${at}`],
        ...flags,
      ]);
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const refused = start(port);
    t.teardown(() => isAlive(refused.pid) && process.kill(refused.pid, "SIGKILL"));
    t.equal(await refused.ended, EXIT.FAILED.code, "whose port is taken");
    t.match(refused.output(), new RegExp(`EADDRINUSE.*${port}.*cannot serve`));
    await once(other.close(), "close");
    const next = start(port);
    t.teardown(() => isAlive(next.pid) && process.kill(next.pid, "SIGKILL"));
    await waitFor(`the next ${name} to serve`, WAIT_MS, async () => {
      if (!isAlive(next.pid)) throw new Error(`it ended:\n${next.output()}`);
      return /"msg":"(instance )?manager serves"/.test(next.output()) ? true : undefined;
    });
    process.kill(next.pid, "SIGTERM");
    t.equal(await next.ended, EXIT.OK.code);
  });
