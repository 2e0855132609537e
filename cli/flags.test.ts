import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import t from "tap";
import { formatHostPort } from "../engine/host-port.js";
import { nodeNameOf, parseAddress, parseInitiator, parsePeer, parseReplicaId, parseSeconds, parseSecretFile, parseSize, parseVolumeName } from "./flags.js"; // prettier-ignore
import { buildProgram } from "./program.js";

const TEXT_OK = Symbol("as given");

function check<T>(
  name: string,
  parse: (text: string) => T,
  cases: Record<string, T | typeof TEXT_OK | null>,
): void {
  for (const [text, expected] of Object.entries(cases)) {
    t.test(`${name} ${JSON.stringify(text)}: ${expected === null ? "refused" : "taken"}`, (t) => {
      if (expected === null) t.throws(() => parse(text), InvalidArgumentError);
      else t.equal(parse(text), expected === TEXT_OK ? text : expected);
      t.end();
    });
  }
}

check("size", parseSize, {
  "4096": 4096,
  "8k": 8192,
  "2GiB": 2 ** 31,
  "2gb": 2 ** 31,
  "2G": 2 ** 31,
  "1.5TiB": 1.5 * 2 ** 40,
  "4096b": 4096,
  "0": null,
  "4095": null,
  "512": null,
  "-4096": null,
  "0.3k": null,
  "9999P": null,
  "1ib": null,
  "1 GiB": null,
  "": null,
  "1e9": null,
});
check("volume", parseVolumeName, {
  vol: TEXT_OK,
  "a.b_c-1": TEXT_OK,
  a: null,
  "-a": null,
  "a/b": null,
  "": null,
  ["x".repeat(65)]: null,
});
check("host name", nodeNameOf, {
  "pi-4.local": TEXT_OK,
  "Pi-4": "pi-4",
  pi_4: null,
  "pi-": null,
  "": null,
  ["x".repeat(64)]: null,
});
t.test("a host name that can be no node's says which flag gives another one", (t) => {
  t.throws(() => nodeNameOf("pi_4"), { message: /host name "pi_4" can be no node's name .*--node-name/ });
  t.end();
});
check("replica id", parseReplicaId, { "replica-1": TEXT_OK, "": null, "a b": null });
check("peer", parsePeer, {
  "h:1": TEXT_OK,
  "[::1]:65535": TEXT_OK,
  "h:0": null,
  h: null,
  "::1:5": null,
  "h:65536": null,
  "h:": null,
  "a/b:1": null,
});
check("initiator", parseInitiator, {
  "iqn.2004-10.org.x:n": TEXT_OK,
  "eui.0123456789abcdef": TEXT_OK,
  "iqn.X": null,
  host: null,
});
check("seconds", parseSeconds, { "8": 8_000, "0.5": 500, "0": null, x: null, "1e3": null });

t.test("an address is printed as it was given", (t) => {
  for (const text of ["127.0.0.1:0", "[::1]:3260", "node-a:1"])
    t.equal(formatHostPort(parseAddress(text)), text);
  t.end();
});

t.test("a secret is the one line of its file", (t) => {
  const path = join(t.testdir(), "secret");
  writeFileSync(path, "correct horse battery\n");
  t.equal(parseSecretFile(path), "correct horse battery");
  writeFileSync(path, "two\nlines");
  t.throws(() => parseSecretFile(path), InvalidArgumentError);
  writeFileSync(path, "\n");
  t.throws(() => parseSecretFile(path), InvalidArgumentError);
  t.throws(() => parseSecretFile(`${path}-missing`), InvalidArgumentError);
  t.end();
});

t.test("help has defaults as they are written on a command line", async (t) => {
  const { commands } = await buildProgram([]);
  for (const command of commands) t.notMatch(command.helpInformation(), /default: [[{]/, command.name());
});
