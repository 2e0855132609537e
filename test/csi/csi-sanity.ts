/** The tests of CSI drivers that Kubernetes has: built from their Go module, once. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../tools/process.js";

const VERSION = "v5.6.0";

/** That builds it. One of 1.21 or newer gets what it lacks by itself; Debian 12 has an older one. */
const GO_VERSION = "1.26.8";
const GO_OLDEST = 21;

const CACHE = join(process.cwd(), "node_modules/.cache/aurochs");

/** @returns the path of the program. @throws Go's module proxy cannot be reached */
export async function sanityProgram(): Promise<string> {
  const folder = join(CACHE, `csi-test-${VERSION}`);
  const program = join(folder, "csi-sanity");
  if (!existsSync(program)) {
    const env = { ...process.env, GOBIN: folder, GOFLAGS: "-trimpath" };
    await run(await goProgram(), ["install", "-p", "2", `github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity@${VERSION}`], { env }); // prettier-ignore
  }
  return program;
}

async function goProgram(): Promise<string> {
  const present = await run("go", ["version"]).catch(() => "");
  const [, minor = "0"] = /go1\.(\d+)/.exec(present) ?? [];
  if (Number(minor) >= GO_OLDEST) return "go";
  const name = `v0.0.1-go${GO_VERSION}.linux-${process.arch === "arm64" ? "arm64" : "amd64"}`;
  const folder = join(CACHE, `go-${name}`);
  if (!existsSync(folder)) await unpackGo(name, folder);
  return join(folder, "bin", "go");
}

/** Go's own toolchains are modules as well: without the modes of their files. */
async function unpackGo(name: string, folder: string): Promise<void> {
  const own = `${folder}.${process.pid}`;
  mkdirSync(own, { recursive: true });
  const reply = await fetch(`https://proxy.golang.org/golang.org/toolchain/@v/${name}.zip`);
  if (!reply.ok) throw new Error(`Go ${GO_VERSION} cannot be had: ${reply.status} ${reply.statusText}`);
  await writeFile(join(own, "go.zip"), Buffer.from(await reply.arrayBuffer()));
  await run("python3", ["-m", "zipfile", "-e", join(own, "go.zip"), own]);
  const tree = join(own, `golang.org/toolchain@${name}`);
  const tools = join(tree, "pkg/tool");
  const folders = [join(tree, "bin"), ...readdirSync(tools).map((platform) => join(tools, platform))];
  for (const path of folders) for (const file of readdirSync(path)) chmodSync(join(path, file), 0o755);
  renameSync(tree, folder);
  rmSync(own, { recursive: true });
}
