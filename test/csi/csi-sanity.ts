/** The tests of CSI drivers that Kubernetes has: built from their Go module, once. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../tools/process.js";

const VERSION = "v5.6.0";

/** @returns the path of the program. @throws there is no Go, or its module proxy cannot be reached */
export async function sanityProgram(): Promise<string> {
  const folder = join(process.cwd(), "node_modules/.cache/aurochs", `csi-test-${VERSION}`);
  const program = join(folder, "csi-sanity");
  if (!existsSync(program)) {
    const env = { ...process.env, GOBIN: folder, GOFLAGS: "-trimpath" };
    await run("go", ["install", "-p", "2", `github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@${VERSION}`], { env }); // prettier-ignore
  }
  return program;
}
