import t from "tap";
import { parseNode } from "./manager-command.js";

t.test("a node has a name and an address of its own", (t) => {
  const nodes = parseNode("b=10.0.0.6:8503", parseNode("a=10.0.0.5:8503"));
  t.strictSame([...nodes], [["a", { host: "10.0.0.5", port: 8503 }], ["b", { host: "10.0.0.6", port: 8503 }]]); // prettier-ignore
  t.throws(() => parseNode("b=10.0.0.7:8503", nodes), { message: "node b is given twice" });
  t.throws(() => parseNode("c=10.0.0.6:8503", nodes), { message: "10.0.0.6:8503 is the address of node b already" }); // prettier-ignore
  t.equal(parseNode("c=10.0.0.6:9503", nodes).size, 3, "another agent of the same machine");
  t.end();
});
