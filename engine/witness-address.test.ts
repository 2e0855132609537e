import t from "tap";
import { parseWitness, votersAt } from "./witness-address.js";

t.test("one address, or those of three voters or five", (t) => {
  t.equal(parseWitness("node-1:10000"), "node-1:10000");
  for (const count of [3, 5]) {
    const addresses = Array.from({ length: count }, (_, i) => `10.0.0.${i}:10000`);
    t.strictSame(votersAt(parseWitness(addresses.join(","))), addresses);
  }
  t.end();
});

t.test("what can never agree, or is no address, is refused by name", (t) => {
  for (const count of [2, 4, 6, 7]) {
    const text = Array.from({ length: count }, (_, i) => `10.0.0.${i}:10000`).join(",");
    t.throws(() => parseWitness(text), { message: `"${text}" names ${count} voters: a witness is one process, or has 3 voters or 5` }); // prettier-ignore
  }
  t.throws(() => parseWitness("a:1,b:1,a:1"), { message: '"a:1,b:1,a:1" names a voter twice' });
  t.throws(() => parseWitness("a:1,,b:1"), { message: /HOST:PORT/ });
  t.end();
});
