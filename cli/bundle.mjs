// Puts the compiled command line and its packages into a few files: an engine starts in two thirds of the time when it
// need not find and read hundreds. `bin/aurochs` falls back to the single files when they are newer.
import { rmSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
rmSync(`${dist}bundle`, { recursive: true, force: true });
const entryPoints = { main: `${dist}cli/main.js`, longhorn: `${dist}cli/longhorn/main.js` };
const { metafile } = await build({
  entryPoints,
  outdir: `${dist}bundle`,
  bundle: true,
  splitting: true,
  platform: "node",
  format: "esm",
  target: "node20",
  // Names and lines stay as they are: a stack trace has to tell where.
  minifySyntax: true,
  legalComments: "none",
  // Only needed, and then found, when somebody asks gRPC's channelz for its own definition.
  external: ["@grpc/proto-loader"],
  logLevel: "warning",
  metafile: true,
  banner: {
    // Packages in CommonJS ask for Node's own modules at run time.
    js: 'import { createRequire as createRequireOfBundle } from "node:module";\nconst require = createRequireOfBundle(import.meta.url);',
  },
});

/** Bytes that a command line may come to before it knows what it is asked: gRPC and its messages alone are a tenth of a second. */
const START_BYTES_MAX = 300_000;

/** Node's own modules that `longhorn` may begin with. Each other one takes milliseconds of the 150 that it has to start: `node:crypto` 7, `node:net` 11. */
const START_MODULES = ["node:fs", "node:path"];

/** Files of the bundle that are read whenever `file` is. */
function readWith(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  for (const { path, kind, external } of metafile.outputs[file].imports)
    if (kind === "import-statement" && external !== true) readWith(path, seen);
  return seen;
}

for (const name of Object.keys(entryPoints)) {
  const files = [...readWith(relative(process.cwd(), `${dist}bundle/${name}.js`))];
  const bytes = files.reduce((sum, file) => sum + metafile.outputs[file].bytes, 0);
  if (bytes > START_BYTES_MAX) throw new Error(`${name} begins with ${bytes} bytes, of ${files.join(" ")}`);
  if (name !== "longhorn") continue;
  for (const file of files)
    for (const { path, kind, external } of metafile.outputs[file].imports)
      if (kind === "import-statement" && external && !START_MODULES.includes(path))
        throw new Error(
          `${name} begins with ${path}, of ${Object.keys(metafile.outputs[file].inputs).join(" ")}`,
        );
}
