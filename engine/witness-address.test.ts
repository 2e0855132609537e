import t from "tap";
import { parseWitness, votersAt } from "./witness-address.js";

t.test("one address, or those of voters, of which one may be away and not named", (t) => {
  t.equal(parseWitness("node-1:10000"), "node-1:10000");
  for (const count of [2, 3, 4, 5]) {
    const addresses = Array.from({ length: count }, (_, i) => `10.0.0.${i}:10000`);
    t.strictSame(votersAt(parseWitness(addresses.join(","))), addresses);
  }
  t.end();
});

t.test("what is too many, or no address, is refused by name", (t) => {
  const six = Array.from({ length: 6 }, (_, i) => `10.0.0.${i}:10000`).join(",");
  t.throws(() => parseWitness(six), { message: "a witness has at most 5 voters" });
  t.throws(() => parseWitness("a:1,b:1,a:1"), { message: '"a:1,b:1,a:1" names a voter twice' });
  t.throws(() => parseWitness("a:1,,b:1"), { message: /HOST:PORT/ });
  t.end();
});
