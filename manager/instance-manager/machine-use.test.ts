import { availableParallelism } from "node:os";
import t from "tap";
import { MachineUse } from "./machine-use.js";

t.test("processors count between two questions, unless those are too close", async (t) => {
  const times = { busy: 5_000, total: 100_000 };
  const machine = new MachineUse(() => ({ ...times }));
  const capacity = availableParallelism() * 1_000;
  t.match(machine.look(), { cpuCapacity: capacity, cpuUsage: 0 });
  times.busy += 2_000;
  times.total += 8_000;
  t.match(machine.look(), { cpuUsage: capacity / 4 });
  times.busy += 500;
  times.total += 500;
  t.match(machine.look(), { cpuUsage: capacity / 4 }, "it is too early");
  times.total += 1_500;
  t.match(machine.look(), { cpuUsage: capacity / 4 }, "what was too early counts now");
});

t.test("this machine's", async (t) => {
  const { memoryCapacity, memoryUsage } = new MachineUse().look();
  t.ok(memoryUsage > 0 && memoryUsage < memoryCapacity);
});
