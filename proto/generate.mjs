// Generates static protobuf code and its types from the .proto files into proto/generated/, and the descriptors of all
// services for gRPC reflection. For Longhorn's packages, with their hundred messages, also plain types and services as
// `control.ts` has them by hand.
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pbjs from "protobufjs-cli/pbjs.js";
import pbts from "protobufjs-cli/pbts.js";
import protobuf from "protobufjs";
import { descriptorsModule } from "./generate-descriptors.mjs";
import { plainModule, typesOf } from "./generate-plain.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const longhorn = `${here}longhorn`;
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

const packages = ["ptypes", "profilerrpc"];
for (const name of packages) {
  const files = protosIn(`${longhorn}/${name}`);
  const targets = [`${out}/${name}.js`, `${out}/${name}.d.ts`, `${out}/${name}-plain.ts`];
  if (!current(targets, files)) {
    await makeStatic(name, files, "--no-comments");
    const root = await load(files);
    writeFileSync(`${out}/${name}.d.ts`, typesOf(root.lookup(name)));
    writeFileSync(`${out}/${name}-plain.ts`, plainModule(root.lookup(name)));
  }
  copyFileSync(`${out}/${name}.js`, `${dist}/${name}.js`);
}

const all = [...ours, ...packages.flatMap((name) => protosIn(`${longhorn}/${name}`))];
const descriptors = `${out}/descriptors.ts`;
if (!current([descriptors], all)) writeFileSync(descriptors, descriptorsModule(await load(all)));

async function makeStatic(base, files, ...flags) {
  await run(pbjs, ["-t", "static-module", "-w", "es6", "--es6", "--force-number", "--no-verify", "--no-delimited", "--no-service", ...flags, "-p", longhorn, "-r", base, "-o", `${out}/${base}.js`, ...files]); // prettier-ignore
}

/** Longhorn's files name each other from the folder that holds them. */
function load(files) {
  const root = new protobuf.Root();
  root.resolvePath = (_from, name) => (existsSync(name) ? name : `${longhorn}/${name}`);
  return root.load(files, { alternateCommentMode: true });
}
