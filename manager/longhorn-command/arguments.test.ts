import t from "tap";
import { parseArguments, UsageError, type Flag } from "./arguments.js";

const FLAGS: Flag[] = [
  { name: "listen", kind: "string", default: "localhost:9502" },
  { name: "size", kind: "int" },
  { name: "replica", kind: "strings" },
  { name: "enable-backend", kind: "strings", default: ["tcp"] },
  { name: "upgrade", kind: "bool" },
  { name: "sync-agent", kind: "bool", default: true },
  { name: "help", aliases: ["h"], kind: "bool" },
];

function parse(line: string, where: "before" | "anywhere" = "anywhere") {
  const { options, args } = parseArguments(FLAGS, line === "" ? [] : line.split(" "), where);
  return {
    listen: options.string("listen"),
    size: options.int("size"),
    replica: options.strings("replica"),
    backends: options.strings("enable-backend"),
    upgrade: options.bool("upgrade"),
    syncAgent: options.bool("sync-agent"),
    help: options.bool("help"),
    args,
  };
}

const NOTHING = parse("");

t.test("options stand before, between and after arguments, with one dash or two, with or without =", (t) => {
  t.strictSame(NOTHING, {
    listen: "localhost:9502",
    size: 0,
    replica: [],
    backends: ["tcp"],
    upgrade: false,
    syncAgent: true,
    help: false,
    args: [],
  });
  const rows: [string, Partial<typeof NOTHING>][] = [
    ["vol --listen a:1", { listen: "a:1", args: ["vol"] }],
    ["--listen a:1 vol", { listen: "a:1", args: ["vol"] }],
    ["-listen a:1 vol", { listen: "a:1", args: ["vol"] }],
    ["-listen=a:1 vol", { listen: "a:1", args: ["vol"] }],
    ["vol -listen=a=b:1 more", { listen: "a=b:1", args: ["vol", "more"] }],
    ["--listen a:1 --listen b:1", { listen: "b:1" }],
    ["--listen --upgrade", { listen: "--upgrade" }],
    ["--listen=", { listen: "" }],
    ["--size -5", { size: -5 }],
    ["--replica a --replica=b vol -replica c", { replica: ["a", "b", "c"], args: ["vol"] }],
    ["--enable-backend tcp --enable-backend file", { backends: ["tcp", "tcp", "file"] }],
    ["--upgrade vol", { upgrade: true, args: ["vol"] }],
    ["--upgrade=T", { upgrade: true }],
    ["--upgrade=false", { upgrade: false }],
    ["--sync-agent=false dir", { syncAgent: false, args: ["dir"] }],
    ["--sync-agent=0", { syncAgent: false }],
    ["-h", { help: true }],
    ["-- --upgrade", { args: ["--upgrade"] }],
    ["-", { args: ["-"] }],
  ];
  for (const [line, expected] of rows) t.strictSame(parse(line), { ...NOTHING, ...expected }, line);
  t.end();
});

t.test("before a command, the first argument ends the options", (t) => {
  t.strictSame(parse("--upgrade ls --size 5", "before"), {
    ...NOTHING,
    upgrade: true,
    args: ["ls", "--size", "5"],
  });
  t.end();
});

t.test("what is wrong is told in Go's words", (t) => {
  const rows: [string, string][] = [
    ["--bogus", "flag provided but not defined: -bogus"],
    ["vol -bogus=1", "flag provided but not defined: -bogus"],
    ["vol --listen", "flag needs an argument: -listen"],
    ["--size x", 'invalid value "x" for flag -size: parse error'],
    ["--size 1.5", 'invalid value "1.5" for flag -size: parse error'],
    ["--upgrade=maybe", 'invalid boolean value "maybe" for flag -upgrade: parse error'],
    ["---x", "bad flag syntax: ---x"],
    ["--=x", "bad flag syntax: --=x"],
  ];
  for (const [line, message] of rows) t.throws(() => parse(line), { name: UsageError.name, message }, line);
  t.end();
});
