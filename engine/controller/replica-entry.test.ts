import { status } from "@grpc/grpc-js";
import t from "tap";
import { RpcError, withContext } from "../../proto/rpc-error.js";
import { ReplicaEntry } from "./replica-entry.js";

/** Nobody listens there. */
const ADDRESS = "tcp://127.0.0.1:1";
const OURS = null;
const LONGHORNS = { clean: true };
const NOT_ASKED = undefined;

const failed = (code: status) => withContext("failed to get replica info", new RpcError(code, "no answer"));

const CASES: [name: string, error: Error, longhorn: ReplicaEntry["longhorn"], isAbsent: boolean][] = [
  ["nobody listens", failed(status.UNAVAILABLE), NOT_ASKED, true],
  ["somebody listens, and does not answer in time", failed(status.DEADLINE_EXCEEDED), NOT_ASKED, true],
  ["it said whose it is, and no more", failed(status.DEADLINE_EXCEEDED), OURS, true],
  ["one of Longhorn's said so", failed(status.DEADLINE_EXCEEDED), LONGHORNS, false],
  ["it refuses", failed(status.FAILED_PRECONDITION), NOT_ASKED, false],
  ["it is in the wrong state", new Error("replica must be closed"), OURS, false],
];

for (const [name, error, longhorn, isAbsent] of CASES) {
  t.test(`one that cannot be opened is ${isAbsent ? "" : "not "}taken back by itself: ${name}`, async (t) => {
    const owner = { volume: "v", engineId: "e", takesFiles: false, dataSocket: null, engineAt: () => null };
    const entry = new ReplicaEntry(ADDRESS, owner);
    t.teardown(() => entry.disconnect());
    entry.longhorn = longhorn;
    await entry.noteFailure(error);
    t.match(entry, { isAbsent, isDamaged: false, unusable: error.message });
  });
}
