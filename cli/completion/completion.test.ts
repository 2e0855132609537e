/** Completion as shells ask for it: the real executable, a real bash, the real API. */
import { execFile } from "node:child_process";
import t from "tap";
import { attach } from "../../manager/rest/testing/world.js";
import { EXECUTABLE, startCliRig } from "../manage/testing/rig.js";

t.test("commands, options, their values, and names that the manager knows", async (t) => {
  const { aurochs, ...rig } = await startCliRig(t);
  await aurochs("volume", "create", "data", "--size", "10GiB", "--replicas", "2");
  await attach(rig, "data");
  await aurochs("snapshot", "create", "data", "one");
  const cases: [words: string[], found: string[]][] = [
    [["vol"], ["volume"]],
    [
      ["volume", "de"],
      ["delete", "detach"],
    ],
    [["volume", "attach", "da"], ["data"]],
    [
      ["volume", "attach", "data", ""],
      ["node-1", "node-2", "node-3"],
    ],
    [["volume", "delete", "data", "d"], ["data"]],
    [["volume", "attach", "data", "--dis"], ["--disable-frontend"]],
    [["volume", "attach", "--id", "x", "data", "node-3"], ["node-3"]],
    [
      ["volume", "create", "x", "--access-mode", ""],
      ["rwo", "rwx"],
    ],
    [["volume", "clone", "data", "new", "--snapshot", ""], ["one"]],
    [["snapshot", "revert", "data", "o"], ["one"]],
    [["replica", "remove", "data", "data-r-1"], ["data-r-1"]],
    [
      ["replica", ""],
      ["list", "remove"],
    ],
    [["disk", "evict", "node-1", ""], ["main"]],
    [
      ["setting", "set", "auto-salvage", ""],
      ["true", "false"],
    ],
    [["event", "list", "--volume", ""], ["data"]],
    [["explain", ""], ["data"]],
    [
      ["completion", ""],
      ["bash", "zsh"],
    ],
    [["volume", "list", "nothing-more"], []],
    [["nothing", ""], []],
  ];
  for (const [words, found] of cases) {
    const { code, out, err } = await aurochs("complete", "--", ...words);
    t.strictSame(
      { code, found: out.split("\n").slice(0, -1), err },
      { code: 0, found, err: "" },
      words.join(" "),
    );
  }
});

t.test("bash completes with it", async (t) => {
  const { url } = await startCliRig(t);
  const script = `
    aurochs() { "${EXECUTABLE}" "$@"; }
    source <(aurochs completion bash)
    COMP_WORDS=(aurochs node get node-) COMP_CWORD=3
    _aurochs
    echo "\${COMPREPLY[@]}"
    complete -p aurochs`;
  const out = await new Promise((resolve) =>
    execFile("bash", ["-c", script], { env: { PATH: process.env["PATH"], AUROCHS_URL: url } }, (_, text) =>
      resolve(text),
    ),
  );
  t.equal(out, "node-1 node-2 node-3\ncomplete -o default -F _aurochs aurochs\n");
});

t.test("where the manager does not answer there are no names, and no errors", async (t) => {
  const { aurochs, server } = await startCliRig(t);
  await server.close();
  t.strictSame(await aurochs("complete", "--", "volume", "get", ""), { code: 0, out: "", err: "" });
});
