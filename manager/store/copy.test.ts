import t from "tap";
import { copyOf } from "./copy.js";

t.test("a copy is equal, and shares nothing", (t) => {
  const object = { text: "a", list: [1, { flag: true }], none: null, map: { ["__proto__"]: "b" } };
  const value = JSON.parse(JSON.stringify(object)) as typeof object;
  const copy = copyOf(value);
  t.strictSame(copy, value);
  t.equal(JSON.stringify(copy), JSON.stringify(value));
  t.not(copy.list, value.list);
  t.not(copy.list[1], value.list[1]);
  t.equal(Object.getPrototypeOf(copyOf(JSON.parse('{"__proto__":{"a":1}}'))), Object.prototype);
  t.end();
});
