import t from "tap";
import type { Resource } from "../objects/resource.js";
import { purgeFailures } from "./purge-failures.js";

const purge = (error: string, isPurging = false) => ({ error, isPurging, progress: 0, state: "" });
const engine = (purgeStatus: object) => ({ spec: { replicaAddressMap: { "vol-r-1": "10.0.0.1:10000" } }, status: { purgeStatus } }) as unknown as Resource<"Engine">; // prettier-ignore

const ONE = "tcp://10.0.0.1:10000";

t.test("a replica that cannot be purged is told once, and again when another purge fails", async (t) => {
  const failed = engine({ [ONE]: purge("input/output error"), "tcp://10.0.0.2:10000": purge("") });
  const told = ["snapshots of replica vol-r-1 could not be purged: input/output error"];
  t.strictSame(purgeFailures(failed, {}), told);
  t.strictSame(purgeFailures(failed, failed.status.purgeStatus), []);
  const again = engine({ [ONE]: purge("", true) });
  t.strictSame(purgeFailures(again, failed.status.purgeStatus), []);
  t.strictSame(purgeFailures(failed, again.status.purgeStatus), told);
});
