/** Damages a replica's file while nobody has it open, and brings it back as it was. */
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Engine } from "./engine.js";
import { lastLines } from "./host-process.js";
import type { Replica } from "./replica.js";
import type { World } from "./world.js";
import { sleep } from "../../tools/process.js";

/** The path of the one file whose name matches. */
export function fileOf({ directory }: Replica, pattern: RegExp): string {
  const [name, ...more] = readdirSync(directory).filter((each) => pattern.test(each));
  if (name === undefined || more.length > 0)
    throw new Error(`${directory}: ${more.length + 1} files match ${String(pattern)}`);
  return join(directory, name);
}

/** Bits in the middle of a file are flipped. */
export function flip(path: string, at?: number): void {
  const bytes = readFileSync(path);
  const middle = at ?? bytes.length >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

export function truncate(path: string): void {
  writeFileSync(path, readFileSync(path).subarray(0, 10));
}

function isSame(one: string, other: string): boolean {
  return existsSync(one) && readFileSync(one).equals(readFileSync(other));
}

/** The file, or the directory and what is missing there: a disk's metadata are told by the disk's name. */
function names(said: string, path: string): boolean {
  const name = basename(path);
  const missing = `metadata for ${name.replace(/\.meta$/, "")}`;
  return said.includes(dirname(path)) && (said.includes(name) || said.includes(missing));
}

/** The cause that the engine tells; where nobody asks it for one, its log. */
async function saidBy(engine: Engine, slot: number): Promise<string> {
  const cause = (await engine.status())?.replicas[slot]?.cause ?? "";
  return cause === "" ? lastLines(engine.log, LINES) : cause;
}

const LINES = 20;
const START_MS = 3_000;

/** A replica is stopped, a file of it damaged, and it is started again: it refuses and names the file, or it is made right by
 * the others. Then the file is brought back. */
export async function playDamage(
  world: World,
  replica: Replica,
  pattern: RegExp,
  damage: (path: string) => void,
): Promise<void> {
  const { engine, load } = world;
  await replica.kill();
  const path = fileOf(replica, pattern);
  copyFileSync(path, `${world.folder}/kept`);
  damage(path);
  world.struck(`${basename(path)} is not what it was`, !isSame(path, `${world.folder}/kept`));
  replica.start();
  await sleep(START_MS);
  await load.progress(500);
  const slot = world.replicas.indexOf(replica);
  const mode = (await engine.status())?.replicas[slot]?.mode;
  if (replica.isRunning && mode === "RW") {
    world.clearly("it goes on with what is left", true);
    return;
  }
  const said = replica.isRunning ? await saidBy(engine, slot) : lastLines(replica.log, 1);
  world.clearly(`the damaged file is named: ${said.slice(-300)}`, names(said, path));
  if (replica.isRunning) await replica.kill();
  copyFileSync(`${world.folder}/kept`, path);
  replica.start();
  await world.healthy();
}
