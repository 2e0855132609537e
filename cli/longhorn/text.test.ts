import t from "tap";
import { goJson, logLine, table, type Json } from "./text.js";

t.test("JSON is indented with a tab, or on one line; maps are sorted, objects keep their order", (t) => {
  const value = {
    z: 1,
    a: new Map<string, Json>([
      ["b", []],
      ["10", new Map()],
      ["9", [1, null, true]],
    ]),
  };
  t.equal(
    goJson(value, "\t"),
    [
      "{",
      '\t"z": 1,',
      '\t"a": {',
      '\t\t"10": {},',
      '\t\t"9": [',
      "\t\t\t1,",
      "\t\t\tnull,",
      "\t\t\ttrue",
      "\t\t],",
      '\t\t"b": []',
      "\t}",
      "}",
    ].join("\n"),
  );
  t.equal(goJson(value, ""), '{"z":1,"a":{"10":{},"9":[1,null,true],"b":[]}}');
  t.equal(goJson("a<b>&\u2028", ""), '"a\\u003cb\\u003e\\u0026\\u2028"');
  t.end();
});

t.test("columns are as wide as their widest cell, and the last one as it is", (t) => {
  t.equal(
    table([
      ["ADDRESS", "MODE", "CHAIN"],
      ["tcp://127.0.0.1:9502", "RW", "[a b]"],
      ["tcp://[::1]:1", "ERR", ""],
    ]),
    [
      "ADDRESS              MODE CHAIN",
      "tcp://127.0.0.1:9502 RW   [a b]",
      "tcp://[::1]:1        ERR  ",
      "",
    ].join("\n"),
  );
  t.equal(table([["ID"], ["snap2"], ["snap1"]]), "ID\nsnap2\nsnap1\n");
  t.end();
});

t.test("a line of log quotes what is not plain", (t) => {
  const line = logLine("fatal", "Error running ls command", { error: 'no "x"', plain: "a/b@c" });
  t.match(
    line,
    /^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" level=fatal msg="Error running ls command" error="no \\"x\\"" plain=a\/b@c\n$/,
  );
  t.end();
});
