// Generates static protobuf code and its types from the .proto files into proto/generated/.
import { copyFileSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pbjs from "protobufjs-cli/pbjs.js";
import pbts from "protobufjs-cli/pbts.js";

const here = fileURLToPath(new URL(".", import.meta.url));
const out = `${here}generated`;
const dist = `${here}../dist/proto/generated`; // where compiled code looks for it
mkdirSync(out, { recursive: true });
mkdirSync(dist, { recursive: true });

const run = (tool, args) =>
  new Promise((resolve, reject) => tool.main(args, (error) => (error ? reject(error) : resolve())));

for (const name of readdirSync(here).filter((file) => file.endsWith(".proto"))) {
  const base = name.replace(/\.proto$/, "");
  const target = `${out}/${base}.js`;
  const newer = (path) => {
    try {
      return statSync(path).mtimeMs > statSync(`${here}${name}`).mtimeMs;
    } catch {
      return false;
    }
  };
  if (!newer(target) || !newer(`${out}/${base}.d.ts`)) await generate(name, base, target);
  copyFileSync(target, `${dist}/${base}.js`);
}

async function generate(name, base, target) {
  await run(pbjs, ["-t", "static-module", "-w", "es6", "--es6", "--force-number", "--no-verify", "--no-delimited", "-r", base, "-o", target, `${here}${name}`]); // prettier-ignore
  await run(pbts, ["-o", `${out}/${base}.d.ts`, target]);
}
