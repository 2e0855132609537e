import { pino } from "pino";
import t from "tap";
import { FakeMachine } from "../../test/tools/fake-machine.js";
import { BlockDevice } from "./block-device.js";

const IQN = "iqn.2019-10.io.longhorn:vol";
const PATH = "/dev/longhorn/vol";
const PORTAL = { host: "127.0.0.1", port: 40_000 };
const SIZE = 1 << 20;
const DISK_WAIT_MS = 10;

function deviceOn(host: FakeMachine, own = host, diskWaitMs = DISK_WAIT_MS): BlockDevice {
  const options = { iqn: IQN, lun: 1, path: PATH, log: pino({ level: "silent" }) };
  return new BlockDevice({ host, own, sharesNetwork: host === own }, options, diskWaitMs);
}

async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 1));
}

function isEmpty({ sessions, records, files }: FakeMachine): boolean {
  return sessions.size === 0 && records.size === 0 && files.size === 0;
}

t.test("attached, there is a session, the disk's settings, and a node of its number", async (t) => {
  const machine = new FakeMachine();
  await deviceOn(machine).attach(PORTAL, SIZE);
  t.equal(machine.files.get(PATH), "8:1");
  t.match([...machine.sessions.values()], [{ target: IQN, portal: "127.0.0.1:40000" }]);
  t.strictSame(Object.fromEntries(machine.settings), {
    "node.startup": "manual",
    "node.session.err_timeo.abort_timeout": "15",
    "/sys/class/block/sd1/device/timeout": "60",
  });
  t.ok(machine.log.includes(`mknod -m 0660 ${PATH} b 8 1`));
  t.ok(machine.log.includes(`chown 0:6 ${PATH}`));
});

t.test("detached, nothing is left; detached again, nothing happens", async (t) => {
  const machine = new FakeMachine();
  const device = deviceOn(machine);
  await device.attach(PORTAL, SIZE);
  t.ok(await device.detach());
  t.ok(isEmpty(machine));
  t.ok(await device.detach());
});

t.test("the kernel looks at the disk again when it has grown", async (t) => {
  const machine = new FakeMachine();
  const device = deviceOn(machine);
  await device.attach(PORTAL, SIZE);
  machine.sectors = (2 * SIZE) / 512;
  await device.grow(2 * SIZE);
  t.equal(machine.settings.get("/sys/class/block/sd1/device/rescan"), "1");
  await t.rejects(device.grow(4 * SIZE), { message: /disk sd1 has 4096 sectors/ });
  await device.detach();
  await t.rejects(device.grow(4 * SIZE), { message: `there is no disk of ${IQN} that could grow` });
});

t.test(
  "a disk that is looked at in vain, as while its session is recovered, is looked at again",
  async (t) => {
    const machine = new FakeMachine();
    const device = deviceOn(machine, machine, 10_000);
    await device.attach(PORTAL, SIZE);
    machine.sectors = (2 * SIZE) / 512;
    machine.looksInVain = 1;
    let refusals = 1;
    machine.fault = (command) =>
      command.endsWith("/device/rescan") && refusals-- > 0
        ? { exitCode: 1, output: "Resource temporarily unavailable" }
        : undefined;
    await device.grow(2 * SIZE);
    t.equal(machine.log.filter((line) => line.endsWith("/device/rescan")).length, 3);
  },
);

t.test("a disk that has not grown in time grows when it can", async (t) => {
  const machine = new FakeMachine();
  const device = deviceOn(machine);
  await device.attach(PORTAL, SIZE);
  machine.sectors = (2 * SIZE) / 512;
  machine.looksInVain = Infinity;
  await t.rejects(device.grow(2 * SIZE), { message: /disk sd1 has 2048 sectors/ });
  machine.looksInVain = 0;
  await until(() => machine.sessions.get(1)?.seen === machine.sectors);
});

t.test("the next engine's device grows with its volume, if the one before did not come to it", async () => {
  const machine = new FakeMachine();
  await deviceOn(machine).attach(PORTAL, SIZE);
  machine.sectors = (2 * SIZE) / 512;
  const next = deviceOn(machine);
  const session = await next.session();
  if (session === null) throw new Error("no session");
  await next.adopt(session, 2 * SIZE);
  await until(() => machine.sessions.get(1)?.seen === machine.sectors);
});

t.test("what a killed engine left is cleaned up, and nothing of other volumes", async (t) => {
  const machine = new FakeMachine();
  machine.login(IQN, "127.0.0.1:39000");
  machine.login(`${IQN}2`, "127.0.0.1:39001");
  machine.records.add(`${IQN} 127.0.0.1:39000`).add(`${IQN}2 127.0.0.1:39001`);
  machine.files.set(PATH, "8:1").set(`${PATH}2`, "8:2");
  await deviceOn(machine).cleanUp();
  t.strictSame([...machine.sessions.keys()], [2]);
  t.strictSame([...machine.records], [`${IQN}2 127.0.0.1:39001`]);
  t.strictSame([...machine.files.keys()], [`${PATH}2`]);
});

t.test("a regular file at the node's path is removed, a folder is told", async (t) => {
  const machine = new FakeMachine();
  machine.files.set(PATH, "regular file");
  await deviceOn(machine).cleanUp();
  t.ok(isEmpty(machine));
  machine.files.set(PATH, "directory");
  await t.rejects(deviceOn(machine).cleanUp(), {
    message: /device node .* cannot be changed: .*Is a directory/,
  });
});

t.test("what goes wrong is told, and nothing is left behind", async (t) => {
  const at = "127.0.0.1:40000";
  const login = (exitCode: number, output: string) => (command: string) =>
    command.endsWith("--login") ? { exitCode, output } : undefined;
  const cases: { change: (machine: FakeMachine) => void; message: RegExp | string }[] = [
    {
      change: (machine) => (machine.missing = ["iscsiadm"]),
      message: "iscsiadm is not installed",
    },
    {
      change: (machine) => (machine.fault = login(20, "iscsiadm: initiator reported error (20)")),
      message: `the initiator cannot log in to ${IQN} at ${at}: iscsid is not running (iscsiadm exited with 20: iscsiadm: initiator reported error (20))`,
    },
    {
      change: (machine) => (machine.fault = login(24, "a\nb")),
      message: `the initiator cannot log in to ${IQN} at ${at}: the login was refused (iscsiadm exited with 24: b)`,
    },
    {
      change: (machine) => (machine.fault = login(12, "")),
      message: /: the kernel has no module iscsi_tcp \(iscsiadm exited with 12\)$/,
    },
    {
      change: (machine) => (machine.fault = login(99, "")),
      message: /: iscsiadm exited with 99$/,
    },
    {
      change: (machine) => (machine.sectors = null),
      message: `logged in to ${IQN}, but no disk appears after ${DISK_WAIT_MS} ms`,
    },
    {
      change: (machine) => (machine.sectors = 1),
      message: `logged in to ${IQN}, but disk sd1 has 1 sectors after ${DISK_WAIT_MS} ms`,
    },
    {
      change: (machine) =>
        (machine.fault = (command) =>
          command.startsWith("mknod") ? { exitCode: 1, output: "Operation not permitted" } : undefined),
      message: `device node ${PATH} cannot be changed: Operation not permitted`,
    },
  ];
  for (const { change, message } of cases) {
    const machine = new FakeMachine();
    change(machine);
    const device = deviceOn(machine);
    await t.rejects(device.attach(PORTAL, SIZE), { message });
    await device.detach();
    t.ok(isEmpty(machine), String(message));
  }
});

t.test("the next engine's device is the session that is there; the node is left alone", async (t) => {
  const machine = new FakeMachine();
  await deviceOn(machine).attach(PORTAL, SIZE);
  machine.log.length = 0;
  const next = deviceOn(machine);
  const session = await next.session();
  if (session === null) throw new Error("no session");
  t.strictSame(session.portal, PORTAL);
  await next.adopt(session, SIZE);
  t.notOk(machine.log.some((line) => /^(rm|mknod)|log(in|out)/.test(line)));
  t.ok(await next.detach());
  t.ok(isEmpty(machine));
});

t.test("a node that is gone is made again for the next engine", async (t) => {
  const machine = new FakeMachine();
  await deviceOn(machine).attach(PORTAL, SIZE);
  machine.files.set(PATH, "regular file");
  const next = deviceOn(machine);
  const session = await next.session();
  if (session === null) throw new Error("no session");
  await next.adopt(session, SIZE);
  t.equal(machine.files.get(PATH), "8:1");
});

t.test("an engine that another one has succeeded takes nothing of it away", async (t) => {
  const machine = new FakeMachine();
  const device = deviceOn(machine);
  await device.attach(PORTAL, SIZE);
  const other = deviceOn(machine);
  await other.cleanUp();
  await other.attach({ ...PORTAL, port: 40_001 }, SIZE);
  await device.detach();
  t.equal(machine.sessions.size, 1);
  t.strictSame([...machine.records], [`${IQN} 127.0.0.1:40001`]);
  t.equal(machine.files.get(PATH), "8:1", "its disk has got the number of the one before");
});

t.test("a logout that fails is told, and tried again", async (t) => {
  const machine = new FakeMachine();
  const device = deviceOn(machine);
  await device.attach(PORTAL, SIZE);
  machine.fault = (command) => (command.endsWith("--logout") ? { exitCode: -1, output: "" } : undefined);
  t.notOk(await device.detach());
  machine.fault = () => undefined;
  t.ok(await device.detach());
  t.ok(isEmpty(machine));
});

t.test("in a container the node is made in its own namespace and in the machine's", async (t) => {
  const [host, own] = [new FakeMachine(), new FakeMachine()];
  own.missing = ["iscsiadm"];
  own.files.set(PATH, "regular file");
  const device = deviceOn(host, own);
  await device.cleanUp();
  await device.attach(PORTAL, SIZE);
  for (const { files } of [host, own]) t.equal(files.get(PATH), "8:1");
  await device.detach();
  t.ok(isEmpty(host) && isEmpty(own));
});
