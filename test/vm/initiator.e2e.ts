import t from "tap";
import { withCluster } from "../engine/cluster.js";
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
  /** what shows that it has happened */
  after?: (volume: RunningVolume) => void;
}

/** Nothing may have reached a file system. */
async function checkKernelLog(): Promise<void> {
  const complaints = await guest.attempt(
    "dmesg | grep -E 'I/O error|Aborting journal|Remounting|XFS.*(error|hutdown|orrupt)'",
    10_000,
  );
  if (complaints.output !== "") throw new Error(`the guest's kernel complains:\n${complaints.output}`);
}

/** Logs in, formats, mounts, writes and verifies while the fault happens, checks the file system, logs out. */
async function play({ fileSystem, volume: options, login, fault, after }: Scenario): Promise<void> {
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
    await checkKernelLog();
    await disk.logout();
    after?.(volume);
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

t.test("CHAP both ways: the right secrets log in, a wrong one does not", async (t) => {
  const [initiator, target] = [
    { user: "guest", password: "guest-secret-123" },
    { user: "aurochs", password: "target-secret-456" },
  ];
  const files = t.testdir({ initiator: `${initiator.password}\n`, target: `${target.password}\n` });
  const args = [
    ...["--chap-user", initiator.user, "--chap-secret-file", `${files}/initiator`],
    ...["--mutual-chap-user", target.user, "--mutual-chap-secret-file", `${files}/target`],
  ];
  const chap = { ...initiator, targetUser: target.user, targetPassword: target.password };
  await withVolume({ size: SIZE, args }, async (volume) => {
    await t.rejects(
      Disk.login(guest, volume.url, { chap: { ...chap, password: "wrong-secret-123" } }),
      /authorization/,
    );
    await t.rejects(
      Disk.login(guest, volume.url, { chap: { ...chap, targetPassword: "wrong-secret-456" } }),
      /login/,
    );
    const disk = await Disk.login(guest, volume.url, { chap });
    await disk.makeFileSystem("ext4");
    await disk.unmountAndCheck("ext4");
    await disk.logout();
  });
});

t.test("a replica is killed: no I/O error, data verify", async (t) => {
  let killed = 0;
  await play({
    fileSystem: "ext4",
    fault: (volume) => {
      killed = pidOf(volume.info().replicas[0]);
      process.kill(killed, "SIGKILL");
    },
    after: (volume) => t.not(volume.info().replicas[0]?.pid, killed),
  });
});

t.test("a replica hangs: it is dropped, no I/O error, data verify", async (t) => {
  await play({
    fileSystem: "xfs",
    volume: { args: ["--replica-timeout", "2"] },
    fault: (volume) => process.kill(pidOf(volume.info().replicas[1]), "SIGSTOP"),
    after: (volume) => {
      t.not(volume.info().replicas[1]?.mode, "RW");
      // So that it can stop in order.
      process.kill(pidOf(volume.info().replicas[1]), "SIGCONT");
    },
  });
});

t.test("the engine is killed and started again: I/O resumes, data verify", async (t) => {
  let killed = 0;
  await play({
    fileSystem: "ext4",
    fault: (volume) => {
      killed = pidOf(volume.info().engine);
      process.kill(killed, "SIGKILL");
    },
    after: (volume) => t.not(volume.info().engine.pid, killed),
  });
});

t.test("five engines in a row take over: no I/O error, data verify", async (t) => {
  await withCluster(SIZE, async (cluster) => {
    await cluster.addReplica();
    await cluster.addReplica();
    const first = await cluster.startEngine();
    cluster.portal = new URL(first.url()).host;
    await guest.run("dmesg -c >/dev/null");
    const disk = await Disk.login(guest, first.url());
    await disk.makeFileSystem("ext4");
    const written = disk.writeAndVerify({ mebibytes: 32, seconds: 30 });
    for (let i = 0; i < 5; i++) {
      await sleep(4000);
      const next = await cluster.startEngine(["--upgrade"]);
      t.equal(next.url(), first.url());
    }
    const longest = await written;
    t.comment(`longest write ${longest.write} ms, longest sync ${longest.sync} ms`);
    await disk.unmountAndCheck("ext4");
    await checkKernelLog();
    await disk.logout();
  });
});
