/** Debian's tgt over one plain file: a user-space target without replication, the mark to compare with. */
import { mkdir, open, rm } from "node:fs/promises";
import { Service, run } from "../child.js";
import { START_MS_MAX } from "../limits.js";
import { measureWithLoad, type Setup, type SetupKind } from "../setup.js";
import { freePort, waitFor } from "./wait.js";

const TARGET = "iqn.2025-01.io.aurochs:bench-tgtd";

export const tgtd: SetupKind = {
  name: "tgtd",
  label: "tgtd, one plain file",
  spacePerByte: 1,
  canBeFresh: true,
  needs: [
    { program: "tgtd", package: "tgt" },
    { program: "tgtadm", package: "tgt" },
  ],
  async start({ directory, size }, signal): Promise<Setup> {
    await mkdir(directory, { recursive: true });
    const file = `${directory}/disk.img`;
    const handle = await open(file, "w");
    await handle.truncate(size);
    await handle.close();

    const port = await freePort();
    // The control port only names the Unix socket; a private folder keeps it apart from the machine's own tgtd.
    const control = "1";
    const env = { TGT_IPC_SOCKET: `${directory}/control` };
    const service = Service.start("tgtd", ["-f", "-C", control, "--iscsi", `portal=127.0.0.1:${port}`], env);
    const stop = async (): Promise<void> => {
      // It ignores SIGTERM while it has targets.
      await service.stop("SIGKILL");
      await rm(directory, { recursive: true, force: true });
    };
    try {
      const tgtadm = (...args: string[]): Promise<unknown> =>
        run("tgtadm", ["-C", control, "--lld", "iscsi", ...args], { timeoutMs: START_MS_MAX, signal, env });
      await waitFor("tgtd", signal, async () => {
        service.assertRunning();
        return tgtadm("--op", "show", "--mode", "target").catch(() => undefined);
      });
      await tgtadm("--op", "new", "--mode", "target", "--tid", "1", "-T", TARGET);
      await tgtadm("--op", "new", "--mode", "logicalunit", "--tid", "1", "--lun", "1", "-b", file);
      await tgtadm("--op", "bind", "--mode", "target", "--tid", "1", "-I", "ALL");
    } catch (error) {
      await stop();
      throw error;
    }
    const access = { iscsi: `iscsi://127.0.0.1:${port}/${TARGET}/1` };
    const processes = [{ name: "tgtd", pid: service.pid }];
    return {
      access,
      processes,
      measure: (request, abort) => measureWithLoad({ access, processes }, request, abort),
      stop,
    };
  },
};
