/** Imports point one way; and only one file loads the addon. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Which of our folders the code of a folder may import, beside its own. Tests, and what serves them alone, may import all. */
const ALLOWED: Record<string, string[]> = {
  proto: [],
  native: ["proto"],
  replica: ["proto", "native"],
  engine: ["proto", "native"],
  backup: ["proto"],
  manager: ["proto", "engine", "replica", "backup"],
  // The types of what is sent, which are the server's schemas.
  "rest-client": ["manager"],
  csi: ["proto", "rest-client"],
  ui: [],
  cli: ["proto", "native", "engine", "replica", "manager", "rest-client", "csi"],
};
const UNRESTRICTED = ["test", "bench"];
const SKIPPED = new Set(["node_modules", "dist", "build", "generated", ".git", ".tap"]);

const IMPORT = /(?:from|import)\s*\(?\s*"([^"]+)"/g;

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith(".ts") ? [path] : [];
  });
}

function folderOf(path: string): string {
  return relative(ROOT, path).split("/")[0] ?? "";
}

function importsOf(path: string): string[] {
  return [...readFileSync(path, "utf8").matchAll(IMPORT)].map((match) => match[1] ?? "");
}

function forbidden(path: string): string[] {
  const from = folderOf(path);
  if (UNRESTRICTED.includes(from) || path.endsWith(".test.ts")) return [];
  const allowed = ALLOWED[from];
  if (allowed === undefined) return [`${relative(ROOT, path)}: no rule for the folder ${from}`];
  return importsOf(path)
    .filter((target) => target.startsWith("."))
    .map((target) => folderOf(resolve(dirname(path), target)))
    .filter((to) => to !== from && !allowed.includes(to))
    .map((to) => `${relative(ROOT, path)} imports from ${to}`);
}

const files = sources(ROOT);

t.test("imports point one way", (t) => {
  t.ok(files.length > 50, "the sources are found");
  t.strictSame(files.flatMap(forbidden), []);
  t.end();
});

t.test("clients of the API take types alone of the manager", (t) => {
  const code = /^import (?!type )[^;]*from "[^"]*\/manager\//m;
  const clients = files.filter((path) => folderOf(path) === "rest-client" && !path.endsWith(".test.ts"));
  t.ok(clients.length > 0, "they are found");
  t.strictSame(
    clients.filter((path) => code.test(readFileSync(path, "utf8"))),
    [],
  );
  t.end();
});

t.test("only native/index.ts loads the addon", (t) => {
  const loads = files.filter((path) => /\.node["'`]|process\.dlopen/.test(readFileSync(path, "utf8")));
  const own = fileURLToPath(import.meta.url)
    .replace("/dist/", "/")
    .replace(/\.js$/, ".ts");
  t.strictSame(
    loads.filter((path) => path !== own).map((path) => relative(ROOT, path)),
    ["native/index.ts"],
  );
  t.end();
});
