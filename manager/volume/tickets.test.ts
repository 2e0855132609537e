import t from "tap";
import { checkSpec, checkStatus } from "../objects/check.js";
import type { Resource } from "../objects/resource.js";
import { ticketStatus, wish, type Ticket } from "./tickets.js";

const metadata = { name: "v", uid: "u", resourceVersion: "1", generation: 1, creationTimestamp: "", deletionTimestamp: "", finalizers: [], labels: {}, annotations: {}, ownerReferences: [] }; // prettier-ignore

function volume(spec: object, status: object): Resource<"Volume"> {
  return {
    kind: "Volume",
    metadata,
    spec: checkSpec("Volume", "v", spec),
    status: checkStatus("Volume", "v", status),
  };
}

const ticket = (nodeID: string, type = "csi-attacher"): Ticket => ({ id: `${type}-${nodeID}`, type, nodeID, generation: 1, parameters: {} }); // prettier-ignore

const NOW = "2030-01-01T00:00:00Z";

t.test(
  "a ticket for a node where a strict-local volume has no copy is told so, and stops no other",
  async (t) => {
    const one = volume({ dataLocality: "strict-local" }, { state: "detached" });
    const homes = new Set(["b"]);
    const [here, away] = [ticket("b"), ticket("a", "longhorn-api")];
    t.match(ticketStatus(one, away, [here, away], homes, undefined, NOW), {
      satisfied: false,
      conditions: [{ type: "Satisfied", status: "False", reason: "StrictLocal", message: /only where its copy is, on node b/ }], // prettier-ignore
    });
    const there = volume({ dataLocality: "strict-local", nodeID: "a" }, { state: "attaching" });
    t.match(ticketStatus(there, away, [away], homes, undefined, NOW), { conditions: [{ reason: "" }] }, "where it is it stays"); // prettier-ignore
    t.equal(wish(one, [away], homes).nodeID, "");
    t.equal(wish(one, [here, away], homes).nodeID, "b", "though the other one comes first");
  },
);

t.test("a second csi ticket of a migratable volume is told that there is no live migration", async (t) => {
  const at = { state: "attached", currentNodeID: "a" };
  const told = (spec: object, status: object, one: Ticket, other = ticket("a")) =>
    ticketStatus(volume({ accessMode: "rwx", ...spec }, status), one, [one, other], null, undefined, NOW).conditions[0]; // prettier-ignore
  const migratable = { migratable: true, nodeID: "a" };
  t.match(told(migratable, at, ticket("b")), { status: "False", reason: "MigrationNotAvailable", message: /attached to node a, and live migration/ }); // prettier-ignore
  t.match(told(migratable, at, ticket("a")), { status: "True", reason: "" });
  t.match(told({ migratable: true }, { state: "detached" }, ticket("b")), { reason: "" }, "its turn comes");
  t.match(told({ migratable: true }, { state: "detaching", currentNodeID: "a" }, ticket("b")), { reason: "" }, "... soon"); // prettier-ignore
  t.match(told(migratable, at, ticket("b"), ticket("a", "snapshot-controller")), { reason: "" }, "work ends");
  t.match(told(migratable, { state: "detaching", currentNodeID: "a" }, ticket("a")), { reason: "" }, "its engine is started again"); // prettier-ignore
  t.match(told({ nodeID: "a" }, at, ticket("b")), { reason: "", message: "" }, "a workload that moves waits");
});
