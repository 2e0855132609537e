// Puts the compiled command line and its packages into a few files: an engine starts in two thirds of the time when it
// need not find and read hundreds. `bin/aurochs` falls back to the single files when they are newer.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
rmSync(`${dist}bundle`, { recursive: true, force: true });
await build({
  entryPoints: { main: `${dist}cli/main.js`, longhorn: `${dist}cli/longhorn/main.js` },
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
  banner: {
    // Packages in CommonJS ask for Node's own modules at run time.
    js: 'import { createRequire as createRequireOfBundle } from "node:module";\nconst require = createRequireOfBundle(import.meta.url);',
  },
});
