/** Flags that say nothing in the mode that was asked for are refused, before anything is started. */
import { Command, CommanderError } from "commander";
import t from "tap";
import { addUpCommand } from "./up-command.js";

const VOLUME = ["--volume", "data", "--size", "1GiB", "--portal", "127.0.0.1:3260"];

const CASES: [given: string[], refused: RegExp][] = [
  [["--nodes", "3", "--replicas", "3"], /--replicas is for one volume alone \(--volume\), not for a system/],
  [["--nodes", "3", "--chap-user", "u", "--chap-secret-file", "f"], /--chap-user is for one volume alone/],
  [["--no-view"], /--view is for one volume alone/],
  [[...VOLUME, "--nodes", "3"], /--nodes is for a system, not for one volume alone \(--volume\)/],
  [[...VOLUME, "--listen", "127.0.0.1:9500"], /--listen is for a system/],
  [[...VOLUME, "--csi"], /--csi is for a system/],
  [[...VOLUME, "--token-file", "f"], /--token-file is for a system/],
  [["--nodes", "3", "--node-name", "pi"], /--node-name is for one node, not for --nodes/],
  [
    ["--node-name", "Pi_4"],
    /--node-name .*'Pi_4' is invalid\. a node's name has 1 to 63 of the characters a-z/,
  ],
  [[...VOLUME, "--node-name", "pi"], /--node-name is for a system/],
  [["--volume", "data"], /one volume alone needs --volume, --size and --portal/],
];

for (const [given, refused] of CASES)
  t.test(`up ${given.join(" ")}`, async (t) => {
    const program = new Command();
    addUpCommand(program);
    for (const command of [program, ...program.commands])
      command.exitOverride().configureOutput({ writeErr: () => undefined });
    const up = program.parseAsync(["up", "--state-dir", "/nonexistent", ...given], { from: "user" });
    const error = await up.then(() => null, (error: unknown) => error); // prettier-ignore
    t.type(error, CommanderError);
    t.match((error as CommanderError).message, refused);
  });
