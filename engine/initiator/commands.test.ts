import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { findMachine, MissingProgramError, SystemCommands } from "./commands.js";
import { withLock } from "./lock.js";
import { ownAddress } from "./own-address.js";

t.test("a program's end is told with what it said, errors last", async (t) => {
  const commands = new SystemCommands();
  t.strictSame(await commands.run("sh", ["-c", "echo bad >&2; echo good; exit 3"]), {
    exitCode: 3,
    output: "good\n\nbad",
  });
  t.strictSame(await commands.run("sh", ["-c", "kill -9 $$"]), { exitCode: -1, output: "" });
});

t.test("a program that does not end in time is killed", async (t) => {
  t.match(await new SystemCommands().run("sleep", ["1000"], 50), { exitCode: -1 });
});

t.test("a program that is not there is named, also where another one is to run it", async (t) => {
  const missing = { message: "no-such-program is not installed" };
  await t.rejects(new SystemCommands().run("no-such-program", []), missing);
  await t.rejects(new SystemCommands(["env"]).run("no-such-program", []), missing);
  await t.rejects(new SystemCommands().run("no-such-program", []), MissingProgramError);
});

t.test("the initiator is the machine's where its first process is shown to us", async (t) => {
  const none = findMachine(join(t.testdir(), "none"));
  t.equal(none.host, none.own);
  t.ok(none.sharesNetwork);
  const namespaces = t.testdir({});
  mkdirSync(namespaces, { recursive: true });
  for (const name of ["mnt", "net"]) symlinkSync(`/proc/self/ns/${name}`, join(namespaces, name));
  const machine = findMachine(namespaces);
  t.not(machine.host, machine.own);
  t.notOk(machine.sharesNetwork, "another namespace by name");
});

t.test(
  "an initiator in our network uses the loopback address, another one a global address of ours",
  async (t) => {
    const of = (address: string, internal = false, family = "IPv4") =>
    ({ address, internal, family, ...(family === "IPv6" ? { scopeid: address.startsWith("fe80") ? 2 : 0 } : {}) }) as never; // prettier-ignore
    const lo = [of("127.0.0.1", true)];
    t.equal(ownAddress(true, { eth0: [of("10.0.0.1")] }), "127.0.0.1");
    t.equal(ownAddress(false, { lo, eth0: [of("10.0.0.1")], eth1: [of("10.0.1.1")] }), "10.0.1.1");
    t.equal(
      ownAddress(false, { lo, eth0: [of("fe80::1", false, "IPv6"), of("fd00::1", false, "IPv6")] }),
      "fd00::1",
    );
    t.throws(() => ownAddress(false, { lo }), /no address/);
  },
);

t.test("one at a time has the lock, and it is free after an error", async (t) => {
  const path = join(t.testdir(), "lock");
  await withLock(path, () =>
    t.rejects(
      withLock(path, () => Promise.resolve(), 10),
      /held by another process/,
    ),
  );
  await t.rejects(
    withLock(path, () => Promise.reject(new Error("no"))),
    { message: "no" },
  );
  t.equal(await withLock(path, () => Promise.resolve(1), 10), 1);
});
