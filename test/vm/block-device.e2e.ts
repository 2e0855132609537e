/** The frontend `tgt-blockdev` with a real initiator: engine and replicas run here, what the engine calls runs in the guest. */
import t, { type Test } from "tap";
import { LonghornCluster, type Engine, type Node } from "../engine/longhorn-cluster.js";
import { run, sleep, waitFor } from "../tools/process.js";
import { Disk, verifyCommand } from "./disk.js";
import { Guest } from "./guest.js";
import { GuestPrograms } from "./guest-programs.js";

const SIZE = 256 << 20;
const NODE = "/dev/longhorn/test-vol";
/** One boot serves all scenarios: it takes longer than most of them. */
const guest = await Guest.boot();
t.teardown(() => guest.end());
const programs = await GuestPrograms.make(guest);
t.teardown(() => programs.close());

async function clusterOf(t: Test): Promise<{ cluster: LonghornCluster; nodes: Node[] }> {
  const cluster = new LonghornCluster(SIZE);
  t.teardown(() => cluster.end());
  cluster.frontend = { flags: ["--frontend", "tgt-blockdev"], env: programs.environment() };
  await guest.run("dmesg -c >/dev/null");
  return { cluster, nodes: [await cluster.addNode(), await cluster.addNode()] };
}

async function isThere(): Promise<boolean> {
  return (await guest.attempt(`test -e ${NODE}`, 10_000)).exitCode === 0;
}

/** Neither a session nor a record nor a node. */
async function checkNothingIsLeft(t: Test): Promise<void> {
  t.match(await guest.attempt("/tools/iscsiadm -m session", 10_000), { exitCode: 21 });
  t.match(await guest.attempt("/tools/iscsiadm -m node", 10_000), { exitCode: 21 });
  t.notOk(await isThere());
}

async function checkKernelLog(t: Test): Promise<void> {
  const { output } = await guest.attempt("dmesg | grep -E 'I/O error|Aborting journal|Remounting'", 10_000);
  t.equal(output, "");
}

function frontend({ url }: Engine, ...args: string[]): Promise<string> {
  return run("bin/longhorn", ["--url", url, "frontend", ...args]);
}

/** Writes a file to the mounted file system. @returns its checksum */
function writeFile(): Promise<string> {
  return guest.run("dd if=/dev/urandom of=/mnt/file bs=1M count=4 2>/dev/null && sync && md5sum </mnt/file");
}

t.test("a device of 512-byte sectors, beside files that were in its way", async (t) => {
  const { cluster, nodes } = await clusterOf(t);
  await guest.run(`mkdir -p /dev/longhorn && echo old >${NODE} && echo taken >/dev/sda`);
  const engine = await cluster.startEngine(nodes);
  t.match(await engine.client.get(), { endpoint: NODE, frontend: "tgt-blockdev", frontendState: "up" });
  t.equal(await guest.run(`stat -c '%F %a %u:%g' ${NODE}`), "block special file 660 0:6");
  t.equal(await guest.run(`blockdev --getsize64 ${NODE}`), String(SIZE));
  t.equal(await guest.run("cat /sys/class/iscsi_session/*/device/target*/*/timeout"), "60");
  await guest.run("head -c 512 /dev/urandom >/tmp/sector");
  await guest.run(`dd if=/tmp/sector of=${NODE} bs=512 seek=3 oflag=direct conv=notrunc`);
  await guest.run(
    `dd if=${NODE} of=/tmp/read bs=512 skip=3 count=1 iflag=direct && cmp /tmp/sector /tmp/read`,
  );
  await cluster.stop(engine.process);
  t.equal(await engine.process.ended, 0);
  await checkNothingIsLeft(t);
  t.equal(await guest.run("cat /dev/sda && rm /dev/sda"), "taken");
  await checkKernelLog(t);
});

t.test("shut down and started again, a file system is what it was", async (t) => {
  const { cluster, nodes } = await clusterOf(t);
  const engine = await cluster.startEngine(nodes);
  const disk = Disk.at(guest, NODE);
  await disk.makeFileSystem("ext4");
  await disk.writeAndVerify({ mebibytes: 16, seconds: 4 });
  const checksum = await writeFile();
  await disk.unmountAndCheck("ext4");
  await frontend(engine, "shutdown");
  t.match(await engine.client.get(), { endpoint: "", frontendState: "down" });
  await checkNothingIsLeft(t);
  await frontend(engine, "start", "tgt-blockdev");
  await guest.run(`mount ${NODE} /mnt`);
  t.equal(await guest.run("md5sum </mnt/file"), checksum);
  await disk.unmountAndCheck("ext4");
  await checkKernelLog(t);
  await cluster.stop(engine.process);
  await checkNothingIsLeft(t);
});

t.test("a volume grows under a mounted file system", async (t) => {
  const { cluster, nodes } = await clusterOf(t);
  const engine = await cluster.startEngine(nodes);
  const disk = Disk.at(guest, NODE);
  await disk.makeFileSystem("ext4");
  const checksum = await writeFile();
  await run("bin/longhorn", ["--url", engine.url, "expand", "--size", String(2 * SIZE)]);
  // The guest runs one command at a time, and the engine has some for it.
  await waitFor("the disk to grow", 60_000, async () => {
    const bytes = await guest.run(`blockdev --getsize64 ${NODE}`);
    return bytes === String(2 * SIZE) ? true : undefined;
  });
  t.equal(await guest.run("md5sum </mnt/file"), checksum);
  await disk.unmountAndCheck("ext4");
  await checkKernelLog(t);
  await cluster.stop(engine.process);
  await checkNothingIsLeft(t);
});

t.test("an engine that was killed leaves what the next one cleans up; data are kept", async (t) => {
  const { cluster, nodes } = await clusterOf(t);
  const engine = await cluster.startEngine(nodes);
  const disk = Disk.at(guest, NODE);
  await disk.makeFileSystem("ext4");
  const checksum = await writeFile();
  await cluster.kill(engine.process);
  t.ok(await isThere());
  for (const node of nodes) {
    await cluster.kill(node.process);
    await cluster.restart(node);
  }
  const next = await cluster.startEngine(nodes);
  t.match(await next.client.get(), { endpoint: NODE, frontendState: "up" });
  t.equal((await guest.run("/tools/iscsiadm -m session")).split("\n").length, 1);
  // What was mounted from the old session ended with it.
  await guest.run("umount -l /mnt");
  await guest.run(`mount ${NODE} /mnt`);
  t.equal(await guest.run("md5sum </mnt/file"), checksum);
  await disk.unmountAndCheck("ext4");
  await cluster.stop(next.process);
  await checkNothingIsLeft(t);
});

t.test("the next engine takes over under I/O: the session stays, and there is no error", async (t) => {
  const { cluster, nodes } = await clusterOf(t);
  let engine = await cluster.startEngine(nodes);
  const disk = Disk.at(guest, NODE);
  await disk.makeFileSystem("ext4");
  const before = await guest.run(`stat -c %t:%T ${NODE} && ls /sys/class/iscsi_session`);
  await guest.run(
    `(${verifyCommand({ mebibytes: 32, seconds: 20 })} >/tmp/fio 2>&1; echo $? >/tmp/fio.code) &`,
  );
  for (let i = 0; i < 2; i++) {
    await sleep(4000);
    const others = [];
    for (const { directory } of nodes) others.push(await cluster.addNode([], directory));
    const next = await cluster.startEngine(others, engine);
    engine.process.child.kill("SIGHUP");
    await engine.process.ended;
    engine = next;
  }
  const code = "while [ ! -e /tmp/fio.code ]; do sleep 0.2; done; cat /tmp/fio.code && rm /tmp/fio.code";
  t.equal(await guest.run(code, 180_000), "0", await guest.run("tail -n 20 /tmp/fio"));
  t.equal(await guest.run(`stat -c %t:%T ${NODE} && ls /sys/class/iscsi_session`), before);
  await disk.unmountAndCheck("ext4");
  await checkKernelLog(t);
  await cluster.stop(engine.process);
  await checkNothingIsLeft(t);
});

t.test("without iscsid the engine does not start, says why, and leaves nothing behind", async (t) => {
  const { cluster, nodes } = await clusterOf(t);
  await guest.run("kill -9 $(pidof iscsid)");
  await t.rejects(cluster.startEngine(nodes), { message: /cannot log in to .*: iscsid is not running/ });
  await checkNothingIsLeft(t);
  await guest.run("setsid /tools/iscsid");
  const engine = await cluster.startEngine(nodes);
  t.ok(await isThere());
  await cluster.stop(engine.process);
  await checkNothingIsLeft(t);
});
