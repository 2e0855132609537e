/** Kubernetes' own tests of CSI drivers, on a real system: engines, replicas, iSCSI, file systems. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { startDaemon } from "../tools/process.js";
import { sanityProgram } from "./csi-sanity.js";
import { CsiSystem } from "./system.js";

const SIZE = 1 << 30;

/** All that the driver's capabilities switch on; more only where it learns more. */
const SPECS = 65;

const program = await sanityProgram();
const system = await CsiSystem.start();
t.teardown(() => system.end());
await system.startDriver();

const ACCESSES = [
  { name: "mount", flags: [], parameters: { numberOfReplicas: "2" } },
  { name: "block", flags: ["-csi.testvolumeaccesstype", "block"], parameters: { dataLocality: "best-effort" } }, // prettier-ignore
];

function yaml(name: string, values: Record<string, string>): string {
  const path = join(system.directory, name);
  writeFileSync(path, JSON.stringify(values)); // which is YAML as well
  return path;
}

for (const { name, flags, parameters } of ACCESSES)
  t.test(`csi-sanity with ${name} access`, async (t) => {
    const pods = join(system.directory, "pods");
    const run = startDaemon(program, [
      ...["-csi.endpoint", `unix://${system.socket}`],
      ...["-csi.mountdir", join(pods, "target"), "-csi.stagingdir", join(pods, "staging")],
      ...["-csi.testvolumeparameters", yaml("volume.yaml", parameters)],
      ...["-csi.testsnapshotparameters", yaml("snapshot.yaml", { type: "snap" })],
      ...["-csi.testvolumesize", String(SIZE), "-csi.testvolumeexpandsize", String(2 * SIZE)],
      ...[...flags, "--ginkgo.no-color"],
    ]);
    const code = await run.ended;
    const [, passed, failed] = /(\d+) Passed \| (\d+) Failed/.exec(run.output()) ?? [];
    t.equal(code, 0, code === 0 ? "it ends well" : run.output());
    t.equal(Number(passed), SPECS);
    t.equal(Number(failed), 0);
    t.comment(`csi-sanity, ${name}: ${passed} specs passed, ${failed} failed`);
    t.strictSame(await system.manager.list("volumes"), [], "nothing is left in the manager");
    t.strictSame(system.initiator.sessions(), [], "nor of the initiator");
    t.strictSame(system.initiator.records(), []);
  });
