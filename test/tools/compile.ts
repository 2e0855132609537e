/** Compiles the C++ programs that tests use, once per change of their source. */
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "./process.js";

const CACHE = "node_modules/.cache/aurochs/tools";
const FLAGS = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-Werror", "-fno-exceptions"];

/** What this process compiles, or has compiled. */
const compiled = new Map<string, Promise<void>>();

/** @returns the absolute path of the program, or with `-shared` of the library */
export async function compileTool(source: string, flags: string[]): Promise<string> {
  const all = [...FLAGS, ...flags];
  const hash = createHash("sha256")
    .update(readFileSync(source))
    .update(all.join(" "))
    .digest("hex")
    .slice(0, 12);
  const path = join(process.cwd(), CACHE, `${basename(source, ".cc")}-${hash}`);
  if (!existsSync(path)) {
    // Whoever else wants it waits: what is still written cannot be run.
    const compiling = compiled.get(path) ?? compile(path, source, all);
    compiled.set(path, compiling);
    await compiling;
  }
  return path;
}

async function compile(path: string, source: string, flags: string[]): Promise<void> {
  mkdirSync(CACHE, { recursive: true });
  // Other processes may be compiling it, too; one in a namespace of its own may have the same id.
  const own = `${path}.${randomUUID()}`;
  await run("g++", [source, "-o", own, ...flags]);
  renameSync(own, path);
}
