import t from "tap";
import { checkSpec, checkStatus } from "../objects/check.js";
import type { Resource } from "../objects/resource.js";
import { workNode } from "./work-tickets.js";

const metadata = { uid: "u", resourceVersion: "1", generation: 1, creationTimestamp: "", deletionTimestamp: "", finalizers: [], labels: {}, annotations: {}, ownerReferences: [] }; // prettier-ignore
const is = (type: string, status = "True") => ({ type, status, reason: "", message: "", lastProbeTime: "", lastTransitionTime: "" }); // prettier-ignore

function volume(spec: object): Resource<"Volume"> {
  const name = "v";
  return { kind: "Volume", metadata: { ...metadata, name }, spec: checkSpec("Volume", name, spec), status: checkStatus("Volume", name, {}) }; // prettier-ignore
}

/** A node with one disk. */
function node(name: string, spec: object = {}, disk = is("Schedulable")): Resource<"Node"> {
  const disks = { main: { path: "/d", allowScheduling: true } };
  const status = {
    conditions: [is("Ready")],
    diskStatus: { main: { diskUUID: "u", diskPath: "/d", conditions: [is("Ready"), disk] } },
  };
  return {
    kind: "Node",
    metadata: { ...metadata, name },
    spec: checkSpec("Node", name, { allowScheduling: true, disks, ...spec }),
    status: checkStatus("Node", name, status),
  };
}

t.test("a strict-local volume without a copy is worked on where one can be made", async (t) => {
  const local = volume({ dataLocality: "strict-local", numberOfReplicas: 1 });
  const sound = [node("b"), node("c")];
  const unfit = [
    node("a", { allowScheduling: false }),
    node("a", { evictionRequested: true }),
    node("a", { disks: {} }),
    node("a", { disks: { main: { path: "/elsewhere", allowScheduling: true } } }),
    node("a", {}, is("Schedulable", "False")),
  ];
  for (const one of unfit) {
    t.equal(workNode(local, [], [one, ...sound]), "b");
    const begun = volume({ dataLocality: "strict-local", numberOfReplicas: 1, nodeID: "a" });
    t.equal(workNode(begun, [], [one, ...sound]), "b", "where it began it has found no place");
    t.equal(workNode(volume({ nodeID: "a" }), [], [one, ...sound]), "a", "others need none there");
  }
  t.equal(workNode(local, [], [node("a"), ...sound]), "a");
});
