import t from "tap";
import { isVolumeName, parseLabels, unescapeUrl } from "./values.js";

t.test("volume names have Longhorn's form", (t) => {
  for (const name of ["vol", "a1", "0_.-", "x".repeat(64)]) t.ok(isVolumeName(name), name);
  for (const name of ["", "a", ".a", "_a", "a b", "a/b", "x".repeat(65)]) t.notOk(isVolumeName(name), name);
  t.end();
});

t.test("labels have a qualified key and a value", (t) => {
  t.strictSame(parseLabels(["a=b", "example.com/c.d=e=f"]), { a: "b", "example.com/c.d": "e=f" });
  for (const label of ["a", "=b", "a=", "-a=b", "a b=c", "a/b/c=d", `${"x".repeat(64)}=y`])
    t.throws(() => parseLabels([label]), Error, label);
  // As a Longhorn engine said it.
  t.throws(() => parseLabels(["-a=b"]), {
    message: `invalid key -a for label: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
  });
  t.end();
});

t.test("escaped ampersands of a backup's URL are read as such", (t) => {
  t.equal(unescapeUrl("s3://b@r/?backup=x\\u0026volume=v"), "s3://b@r/?backup=x&volume=v");
  t.equal(unescapeUrl("s3://b@r/?backup=xu0026volume=v"), "s3://b@r/?backup=x&volume=v");
  t.end();
});
