import t from "tap";
import { parseOptions, USAGE, type Options } from "./options.js";
import { PATTERNS } from "./patterns.js";

function parse(line: string): Options {
  const options = parseOptions(line.split(" ").filter((word) => word !== ""));
  if (options === "help") throw new Error("did not expect help");
  return options;
}

const names = (options: Options): string[] => options.targets.map(({ name }) => name);

t.test("without arguments everything is compared with tgtd", async (t) => {
  const options = parse("");
  t.same(names(options), ["ours", "ours-none", "tgtd"]);
  t.equal(options.peer, "tgtd");
  t.same(options.patterns, PATTERNS);
  t.equal(options.size, 2 ** 30);
});

t.test("--check measures just the patterns that have a floor", async (t) => {
  t.ok(parse("--check").patterns.every(({ floor }) => floor !== undefined));
  t.equal(parse("--check").patterns.length, 6);
});

t.test("given targets are compared with the last one", async (t) => {
  const options = parse("--overwrite --target url:a=iscsi://h/i/1 --target device:b=/dev/sdz --size 256MiB");
  t.same(names(options), ["a", "b"]);
  t.equal(options.peer, "b");
  t.equal(options.size, 2 ** 28);
});

t.test("--fresh measures writes only", async (t) => {
  t.same(
    new Set(parse("--fresh").patterns.map(({ kind }) => kind)),
    new Set(["randwrite", "seqwrite", "writeflush"]),
  );
});

t.test("help names every pattern", async (t) => {
  t.equal(parseOptions(["--help"]), "help");
  for (const { name } of PATTERNS) t.match(USAGE, name);
});

t.test("a CHAP password in a URL is not repeated in the report", async (t) => {
  t.equal(parse("--overwrite --target url:a=iscsi://me%secret@h/i/1").targets[0]?.label, "iscsi://h/i/1");
});

t.test("what makes no sense is refused with the argument's name", async (t) => {
  const refused: [string, RegExp][] = [
    ["--frobnicate", /frobnicate/],
    ["--size", /--size/],
    ["--size 1000", /--size: '1000'/],
    ["--size 1KiB", /--size/],
    ["--size 99999999GiB", /--size/],
    ["--rounds 0", /--rounds: '0'/],
    ["--rounds 1.5", /--rounds: '1.5' is not a whole number/],
    ["--seconds nan", /--seconds/],
    ["--seconds -1", /--seconds/],
    ["--warmup 1e9", /--warmup/],
    ["--target nothing", /--target: 'nothing' is not known/],
    ["--target tgtd --target tgtd", /given twice/],
    ["--target url:x=http://h --overwrite", /not an iscsi:\/\/ URL/],
    ["--target device:x=relative --overwrite", /not a path below \/dev/],
    ["--target device:x=/dev/sdz", /data will be destroyed/],
    ["--target tgtd --peer ours", /--peer: 'ours' is not among/],
    ["--pattern randwrite", /--pattern: 'randwrite' is not known/],
    ["--fresh --pattern randread-4k-d1", /would read what was never written/],
    ["--fresh --overwrite --target url:x=iscsi://h/i/1", /cannot be made anew/],
    ["--check --target tgtd", /--check needs the targets/],
    ["--check --peer ours", /--check needs tgtd as the peer/],
    ["surplus", /surplus|positional/i],
  ];
  for (const [line, message] of refused) {
    t.throws(() => parse(line), { name: "UsageError", message }, line);
  }
});
