import t from "tap";
import { parseQuantity } from "./quantity.js";

const AMOUNTS: Record<string, number | null> = {
  "0": 0,
  "1073741824": 2 ** 30,
  "1Gi": 2 ** 30,
  "1.5Gi": 1.5 * 2 ** 30,
  "0.1Ki": 103,
  "100G": 1e11,
  "1k": 1000,
  "1e3": 1000,
  "1E3": 1000,
  "1.5e3": 1500,
  "1E": null,
  "9P": 9e15,
  "1m": 1,
  "1500m": 2,
  "1e-3": 1,
  "+5Mi": 5 << 20,
  " 5Mi ": 5 << 20,
  "": null,
  Gi: null,
  "-1": null,
  "1GiB": null,
  "1gi": null,
  "1 Gi": null,
  "1.2.3": null,
  "0x10": null,
  "1e999": null,
  "99Ei": null,
  NaN: null,
};

t.test("amounts are read as Kubernetes reads them, rounded up, or not at all", (t) => {
  for (const [text, bytes] of Object.entries(AMOUNTS))
    t.equal(parseQuantity(text), bytes, JSON.stringify(text));
  t.end();
});
