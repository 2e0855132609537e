import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { UpState } from "./up-state.js";

const WANTED = { volume: "vol", size: 1 << 30, replicas: 2 };

t.test("a directory remembers its volume and its ports", async (t) => {
  const directory = t.testdir();
  const first = await UpState.open(directory, WANTED);
  first.close();
  const second = await UpState.open(directory, WANTED);
  t.strictSame(second.ports, first.ports);
  t.equal(new Set(second.ports).size, 2);
  second.close();
});

t.test("it is refused for another volume, size or number of replicas, and then not locked", async (t) => {
  const directory = t.testdir();
  (await UpState.open(directory, WANTED)).close();
  for (const other of [{ volume: "other" }, { size: 4096 }, { replicas: 3 }]) {
    await t.rejects(UpState.open(directory, { ...WANTED, ...other }), { name: "StateError" });
  }
  (await UpState.open(directory, WANTED)).close();
});

t.test("it is refused while another has it", async (t) => {
  const directory = t.testdir();
  const holder = await UpState.open(directory, WANTED);
  await t.rejects(UpState.open(directory, WANTED), { name: "StateError", message: /in use/ });
  holder.close();
});

t.test("a damaged memory is named, not overwritten", async (t) => {
  for (const text of ["{", "null", '{"version":2}', '{"version":1,"volume":"vol"}']) {
    const directory = t.testdir();
    writeFileSync(join(directory, "up.json"), text);
    await t.rejects(UpState.open(directory, WANTED), { name: "StateError", message: /up\.json/ });
  }
});
