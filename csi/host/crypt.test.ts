import { status } from "@grpc/grpc-js";
import t from "tap";
import { CommandError, type Commands } from "./commands.js";
import { Crypt, cryptKeyOf } from "./crypt.js";
import type { Mapping } from "./mappings.js";

const DEVICE = "/dev/longhorn/vol";
const NUMBER = "8:16";
const LUKS2 = "CRYPT-LUKS2-0123-vol";
const key = cryptKeyOf({ CRYPTO_KEY_VALUE: "open sesame" });

/** A machine with at most one mapping, of the volume's name. */
class Rig {
  readonly log: string[] = [];
  isBusy = false;

  constructor(private mapping: Mapping | null) {}

  get crypt(): Crypt {
    const commands: Commands = { run: (program, args) => this.#run([program, ...args].join(" ")) };
    const devices = {
      numberOf: (path: string) => Promise.resolve(path === DEVICE ? NUMBER : null),
      mappingAt: () => Promise.resolve(this.mapping),
    };
    return new Crypt(commands, commands, devices);
  }

  #run(line: string) {
    this.log.push(line);
    const fails = this.isBusy && line === "cryptsetup close vol";
    if (!this.isBusy && line.startsWith("cryptsetup close")) this.mapping = null;
    return fails
      ? Promise.reject(new CommandError(5, "Device vol is still in use."))
      : Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
  }
}

t.test("what is the volume's is closed, at once if it can be", async (t) => {
  const rig = new Rig({ uuid: LUKS2, slaves: [NUMBER] });
  t.equal(await rig.crypt.inClear(DEVICE, "vol"), "/dev/mapper/vol");
  await rig.crypt.close(DEVICE, "vol");
  t.strictSame(rig.log, ["cryptsetup close vol"]);
  await rig.crypt.close(DEVICE, "vol");
  t.equal(rig.log.length, 1, "there is nothing to close any more");
});

t.test("what somebody has kept open is written, and goes with its last user", async (t) => {
  const rig = new Rig({ uuid: LUKS2, slaves: [NUMBER] });
  rig.isBusy = true;
  await rig.crypt.close(DEVICE, "vol");
  t.strictSame(rig.log, ["cryptsetup close vol", "sync /dev/mapper/vol", "cryptsetup close --deferred vol"]);
});

t.test("what is opened again while somebody has it open does not go with them", async (t) => {
  const rig = new Rig({ uuid: LUKS2, slaves: [NUMBER] });
  rig.isBusy = true;
  await rig.crypt.open(DEVICE, "vol", key, true);
  t.strictSame(rig.log, ["cryptsetup close vol", "cryptsetup close --cancel-deferred vol"]);
});

t.test(
  "one whose device is gone is not written any more; its name is not used before it has gone",
  async (t) => {
    const rig = new Rig({ uuid: LUKS2, slaves: [] });
    rig.isBusy = true;
    await t.rejects(rig.crypt.open(DEVICE, "vol", key, true), { code: status.ABORTED });
    t.strictSame(rig.log, ["cryptsetup close --deferred vol"]);
  },
);

for (const [what, mapping] of [
  ["a mapping of LUKS on another device", { uuid: LUKS2, slaves: ["8:48"] }],
  ["a logical volume", { uuid: "LVM-0123", slaves: [NUMBER] }],
] as const)
  t.test(`${what} that has the volume's name is left alone`, async (t) => {
    const rig = new Rig(mapping);
    t.notOk(await rig.crypt.isOpen(DEVICE, "vol"));
    await t.rejects(rig.crypt.inClear(DEVICE, "vol"), { code: status.FAILED_PRECONDITION });
    await rig.crypt.close(DEVICE, "vol");
    await t.rejects(rig.crypt.open(DEVICE, "vol", key, true), {
      code: status.FAILED_PRECONDITION,
      message: /^\/dev\/mapper\/vol is no mapping of \/dev\/longhorn\/vol/,
    });
    t.strictSame(rig.log, []);
  });
