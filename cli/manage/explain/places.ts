/** Copies that have no place, and copies that are to leave theirs. */
import { disksOf } from "../node-text.js";
import { oneLine } from "../volume-text.js";
import { list, moment } from "../words.js";
import { command, isReady, named, type Facts, type Finding } from "./facts.js";

export function unplaced(facts: Facts): Finding[] {
  const { volume, nodes } = facts;
  const scheduled = volume.conditions["Scheduled"];
  const [failures = "", ...refusals] = (scheduled?.message ?? "").split("\n");
  if (scheduled?.reason === "LocalReplicaSchedulingFailure")
    return [
      {
        what: "No copy can be on the node that uses the volume, which its data locality asks for. It works without.",
        evidence: refusals.length > 0 ? refusals : [oneLine(scheduled.message)],
        next: steps(facts, failures),
      },
    ];
  if (scheduled?.status !== "False") return [];
  if (nodes.length === 0)
    return [{ what: "There are no nodes, so nothing has a place.", evidence: [], next: ["Start a node's agent: aurochs instance-manager --help"] }]; // prettier-ignore
  const effect =
    volume.state === "attached"
      ? "The volume works with those that it has."
      : "Until then it is not ready to be used.";
  return [
    {
      what: `Not all of the ${volume.numberOfReplicas} copies that are wanted have a place: ${failures}. ${effect}`,
      evidence: refusals,
      next: steps(facts, failures),
    },
  ];
}

function steps(facts: Facts, failures: string): string[] {
  const { volume } = facts;
  const has = (failure: string) => failures.includes(failure);
  const next: string[] = [];
  if (has("unavailable")) next.push(...makeAvailable(facts));
  if (has("tags not fulfilled")) next.push(tagStep(facts));
  if (has("insufficient storage"))
    next.push(`Make room: a disk more (${command("disk", "add", "NODE", "PATH")}), or fewer volumes and snapshots on those there are.`); // prettier-ignore
  if (has("disk not found")) next.push(`Give the node a disk: ${command("disk", "add", "NODE", "PATH")}`);
  if (has("hard affinity"))
    next.push(
      `Add a node or, where zones are kept apart, one in another zone. Or want fewer copies: ${command("volume", "update", volume.name, "--replicas", "N")}.`,
    );
  return next;
}

function makeAvailable({ nodes }: Facts): string[] {
  const down = nodes.filter(({ conditions }) => !isReady(conditions)).map(({ name }) => name);
  const off = nodes
    .filter((node) => isReady(node.conditions) && !node.allowScheduling && !node.evictionRequested)
    .map(({ name }) => name);
  const disks = disksOf(nodes).filter((disk) => !disk.allowScheduling && !disk.evictionRequested);
  return [
    ...(down.length > 0 ? [`Bring ${list(down)} back.`] : []),
    ...off.map((name) => `If ${name} may take replicas again: ${command("node", "uncordon", name)}`),
    ...disks.map(({ node, name }) => `If disk ${name} of ${node} may take replicas again: ${command("disk", "uncordon", node, name)}`), // prettier-ignore
  ];
}

function tagStep({ volume }: Facts): string {
  const { nodeSelector, diskSelector } = volume;
  const asked = [
    ...(nodeSelector.length > 0 ? [`nodes tagged ${list(nodeSelector)}: ${command("node", "tags", "NODE", ...nodeSelector)}`] : []), // prettier-ignore
    ...(diskSelector.length > 0 ? [`disks tagged ${list(diskSelector)}: ${command("disk", "tags", "NODE", "DISK", ...diskSelector)}`] : []), // prettier-ignore
  ];
  if (asked.length === 0)
    return "Nodes and disks with tags are kept for volumes that ask for them: see the settings allow-empty-node-selector-volume and allow-empty-disk-selector-volume.";
  return `The volume asks for ${list(asked)} (all tags that it shall have are named).`;
}

export function leaving(facts: Facts): Finding[] {
  const { volume, nodes, events } = facts;
  const disks = disksOf(nodes);
  const going = volume.replicas.filter(({ hostId, diskID }) => {
    const node = nodes.find(({ name }) => name === hostId);
    const disk = disks.find((one) => one.node === hostId && one.diskUUID === diskID);
    return (
      node?.evictionRequested === true || node?.autoEvicting === true || disk?.evictionRequested === true
    );
  });
  if (going.length === 0) return [];
  const failed = events.findLast(({ event }) => event.reason === "EvictionFailed");
  const names = going.map(named);
  return [
    {
      what: `${list(names)} ${going.length === 1 ? "is" : "are"} to leave: the node or disk is being emptied. A copy goes when another one is whole elsewhere.`,
      evidence: failed === undefined ? [] : [`${oneLine(failed.event.message)}, ${moment(failed.event.lastTimestamp, facts.now)}`], // prettier-ignore
      next: failed === undefined ? [] : [`See that another node can take it (${command("node", "list")}), or let it stay: ${command("node", "uncordon", going[0]?.hostId ?? "NODE")}`], // prettier-ignore
    },
  ];
}
