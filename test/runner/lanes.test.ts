import t from "tap";
import { runCommand } from "./command.js";
import { lanesOf } from "./lanes.js";
import type { Phase } from "./phases.js";

const phase = (name: string, aside: boolean): Phase => ({
  ...{ name, about: "", command: ["nice"], count: "check", timeoutMs: 1000 },
  ...(aside ? { aside } : {}),
});

t.test(
  "what computes has a lane of its own, at low priority and with more time; the order stays",
  async (t) => {
    const a = phase("a", false);
    const d = phase("d", false);
    const [main, beside = []] = lanesOf([a, phase("b", true), phase("c", true), d]);
    t.same(main, [a, d]);
    t.same(
      beside.map(({ name, timeoutMs }) => ({ name, timeoutMs })),
      [
        { name: "b", timeoutMs: 4000 },
        { name: "c", timeoutMs: 4000 },
      ],
    );
    const command = beside[0]?.command ?? ["false"];
    // In a session of its own, as phases have: the niceness of this one's is left alone.
    const { output } = await runCommand(command, {
      timeoutMs: 60_000,
      logPath: "/dev/null",
      env: process.env,
    });
    t.equal(output, "10\n");
  },
);

t.test("without others it runs as it is", async (t) => {
  const b = phase("b", true);
  t.same(lanesOf([b]), [[b]]);
});
