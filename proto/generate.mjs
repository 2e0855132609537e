// Generates static protobuf code and its types from the .proto files into proto/generated/, and the descriptors of all
// services for gRPC reflection. For Longhorn's packages, with their hundreds of messages, and for ours that use them, also
// plain types and services as `control.ts` has them by hand.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { fileURLToPath } from "node:url";
import pbjs from "protobufjs-cli/pbjs.js";
import pbts from "protobufjs-cli/pbts.js";
import protobuf from "protobufjs";
import { descriptorsModule } from "./generate-descriptors.mjs";
import { plainModule, typesOf } from "./generate-plain.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const longhorn = `${here}longhorn`;
const aurochs = `${here}aurochs`;
const out = `${here}generated`;
const dist = `${here}../dist/proto/generated`; // where compiled code looks for it
mkdirSync(out, { recursive: true });
mkdirSync(dist, { recursive: true });

const protosIn = (folder) =>
  readdirSync(folder)
    .filter((file) => file.endsWith(".proto"))
    .map((file) => `${folder}/${file}`);

const run = (tool, args) =>
  new Promise((resolve, reject) => tool.main(args, (error) => (error ? reject(error) : resolve())));

const generators = ["generate.mjs", "generate-plain.mjs", "generate-descriptors.mjs"].map(
  (name) => here + name,
);

/** Whether all of `targets` are newer than what they are made from. */
function current(targets, sources) {
  if (!targets.every(existsSync)) return false;
  const made = Math.min(...targets.map((path) => statSync(path).mtimeMs));
  return [...sources, ...generators].every((path) => statSync(path).mtimeMs < made);
}

const ours = protosIn(here.slice(0, -1));
for (const file of ours) {
  const base = file.slice(here.length, -".proto".length);
  const types = `${out}/${base}.d.ts`;
  if (!current([`${out}/${base}.js`, types], [file])) {
    await makeStatic(base, [file]);
    await run(pbts, ["-o", types, `${out}/${base}.js`]);
  }
  copyFileSync(`${out}/${base}.js`, `${dist}/${base}.js`);
}

/** Modules with plain types; `packages`: what each declares, "" being Longhorn's messages without a package. */
const plain = [
  { base: "ptypes", packages: ["ptypes"], files: protosIn(`${longhorn}/ptypes`) },
  { base: "profilerrpc", packages: ["profilerrpc"], files: protosIn(`${longhorn}/profilerrpc`) },
  { base: "imrpc", packages: ["", "imrpc"], files: protosIn(`${longhorn}/imrpc`) },
  { base: "engine-watch", packages: ["aurochs.engine.v1"], files: [`${aurochs}/engine-watch.proto`] },
  { base: "replica-host", packages: ["aurochs.replicahost.v1"], files: [`${aurochs}/replica-host.proto`] },
  { base: "node-agent", packages: ["aurochs.node.v1"], files: [`${aurochs}/node-agent.proto`] },
  { base: "sync-pace", packages: ["aurochs.sync.v1"], files: [`${aurochs}/sync-pace.proto`] },
  { base: "csi", packages: ["csi.v1"], files: protosIn(`${here}csi`) },
];
const moduleOf = new Map(plain.flatMap(({ base, packages }) => packages.map((name) => [name, base])));
const allPlain = plain.flatMap(({ files }) => files);
for (const { base, packages, files } of plain) {
  const targets = [`${out}/${base}.js`, `${out}/${base}.d.ts`, `${out}/${base}-plain.ts`];
  // They import each other.
  if (!current(targets, allPlain)) {
    await makeStatic(base, files, "--no-comments");
    shareForeign(base, packages);
    const root = await load(files);
    writeFileSync(`${out}/${base}.d.ts`, typesOf(root, packages));
    writeFileSync(`${out}/${base}-plain.ts`, plainModule(root, packages, moduleOf));
  }
  copyFileSync(`${out}/${base}.js`, `${dist}/${base}.js`);
}

const all = [...ours, ...allPlain];
const descriptors = `${out}/descriptors.ts`;
if (!current([descriptors], all)) writeFileSync(descriptors, descriptorsModule(await load(all)));

async function makeStatic(base, files, ...flags) {
  await run(pbjs, ["-t", "static-module", "-w", "es6", "--es6", "--force-number", "--no-verify", "--no-delimited", "--no-service", ...flags, "-p", longhorn, "-p", here, "-r", base, "-o", `${out}/${base}.js`, ...files]); // prettier-ignore
}

/** pbjs puts what a file imports into its module as well: a process that needs both would have it twice. */
function shareForeign(base, packages) {
  const path = `${out}/${base}.js`;
  const [head, ...parts] = readFileSync(path, "utf8").split(/^(?=export )/m);
  const isForeign = (name) => moduleOf.has(name) && !packages.includes(name);
  const imports = [];
  const own = parts.filter((part) => {
    const name = /^export const (\w+) = \$root/.exec(part)?.[1];
    const isOwn = packages.includes("") || packages.some((one) => one.split(".")[0] === name);
    if (name === undefined || name === "google" || (isOwn && !isForeign(name))) return true;
    if (moduleOf.has(name))
      imports.push(`import { ${name} } from "./${moduleOf.get(name)}.js";\n$root.${name} = ${name};\n`);
    return false;
  });
  writeFileSync(path, [head, ...imports, ...own].join(""));
}

/** Longhorn's files name each other from the folder that holds them, ours from this one. */
function load(files) {
  const root = new protobuf.Root();
  root.resolvePath = (_from, name) => [name, `${here}${name}`].find(existsSync) ?? `${longhorn}/${name}`;
  return root.load(files, { alternateCommentMode: true });
}
