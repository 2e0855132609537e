import t from "tap";
import { sleep } from "../tools/process.js";
import { withVolume, type RunningVolume, type VolumeOptions } from "../tools/volume.js";
import { Disk, type LoginOptions } from "./disk.js";
import { Guest } from "./guest.js";

const SIZE = "1GiB";
/** One boot serves all scenarios: it takes longer than most of them. */
const guest = await Guest.boot();
t.teardown(() => guest.end());

interface Scenario {
  fileSystem: "ext4" | "xfs";
  volume?: Partial<VolumeOptions>;
  login?: LoginOptions;
  /** what happens while fio writes */
  fault?: (volume: RunningVolume) => void;
}

/** Logs in, formats, mounts, writes and verifies while the fault happens, checks the file system, logs out. */
async function play({ fileSystem, volume: options, login, fault }: Scenario): Promise<void> {
  await withVolume({ size: SIZE, ...options }, async (volume) => {
    await guest.run("dmesg -c >/dev/null");
    const disk = await Disk.login(guest, volume.url, login);
    await disk.makeFileSystem(fileSystem);
    const written = disk.writeAndVerify({ mebibytes: 16, seconds: 8 });
    if (fault !== undefined) {
      await sleep(4000);
      fault(volume);
    }
    await written;
    await disk.unmountAndCheck(fileSystem);
    const complaints = await guest.attempt(
      "dmesg | grep -E 'I/O error|Aborting journal|Remounting|XFS.*(error|hutdown|orrupt)'",
      10_000,
    );
    if (complaints.output !== "") throw new Error(`the guest's kernel complains:\n${complaints.output}`);
    await disk.logout();
  });
}

function pidOf(process: { pid: number | null } | undefined): number {
  if (process?.pid == null) throw new Error("there is no such process");
  return process.pid;
}

t.test("ext4 is made, written, verified and clean, with CRC32C digests", () =>
  play({ fileSystem: "ext4", login: { digests: true } }),
);

t.test("xfs is made, written, verified and clean, without digests", () => play({ fileSystem: "xfs" }));

t.test("a replica is killed: no I/O error, data verify", () =>
  play({ fileSystem: "ext4", fault: (volume) => process.kill(pidOf(volume.info().replicas[0]), "SIGKILL") }),
);

t.test("a replica hangs: no I/O error, data verify", async () => {
  let stopped = 0;
  await play({
    fileSystem: "xfs",
    fault: (volume) => {
      stopped = pidOf(volume.info().replicas[1]);
      process.kill(stopped, "SIGSTOP");
      // SIGTERM would wait for ever on a stopped process.
      setTimeout(() => process.kill(stopped, "SIGCONT"), 30_000).unref();
    },
  });
});

t.test("the engine is killed and started again: I/O resumes, data verify", () =>
  play({ fileSystem: "ext4", fault: (volume) => process.kill(pidOf(volume.info().engine), "SIGKILL") }),
);
