/** The disk of a replica drops out while its machine goes on, and is plugged in and mounted again: what only the page cache had is gone. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { IscsiIo } from "../tools/iscsi-io.js";
import { waitFor } from "../tools/process.js";
import { withCluster } from "./cluster.js";

const SIZE = "16MiB";
const DISK_BYTES = 64 << 20;
const BYTES = 64 << 10;
const WAIT_MS = 60_000;

t.test("a disk that was gone for a while does not pass for one that kept everything", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    const other = await cluster.addReplica();
    const path = join(cluster.directory, "disk");
    const image = `${path}.img`;
    mkdirSync(path);
    writeFileSync(image, "");
    truncateSync(image, DISK_BYTES);
    execFileSync("mkfs.ext4", ["-q", image]);
    const mount = () => execFileSync("mount", ["-o", "loop", image, path]);
    mount();
    try {
      const unplugged = await cluster.addReplica(join(path, "replica"));
      const engine = await cluster.startEngine();
      const io = await IscsiIo.connect(engine.url());
      await io.write(0, BYTES, 1);
      // What the disk itself has when it drops out.
      execFileSync("sync", ["-f", path]);
      copyFileSync(image, `${image}.then`);
      await io.write(0, BYTES, 2);
      await cluster.kill(unplugged.process);
      await waitFor("nobody to use it", WAIT_MS, () =>
        spawnSync("umount", [path]).status === 0 ? true : undefined,
      );
      copyFileSync(`${image}.then`, image);
      mount();
      cluster.restart(unplugged);

      const resync = await waitFor("it to be RW again", WAIT_MS, async () => {
        const { replicas } = await engine.status();
        return replicas.find(({ address, mode }) => address === unplugged.address && mode === "RW")?.resync;
      });
      t.not(resync, "", "it is made equal");
      await cluster.kill(other.process);
      t.strictSame(await io.read(0, BYTES), [{ version: 2, sectors: BYTES / 512 }], "from it alone");
      io.kill();
    } finally {
      await cluster.end();
      execFileSync("umount", ["-l", path]);
    }
  });
});
