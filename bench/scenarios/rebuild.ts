/** A replica is added to a volume: how fast do its data come, beside a plain copy of the same file on the same disk? */
import { open as openFile, readdir, rm } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import type { Service } from "../child.js";
import { addReplica, closed, program, startController, startReplica } from "./longhorn-set.js";
import type { Context, Figure, Scenario } from "./scenario.js";

const BLOCK = 4096;
const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const rebuild: Scenario = {
  name: "rebuild",
  about:
    "a replica is added to a volume that nobody uses, with dense data and with every other block; and cp of the same",
  run,
};

async function run(context: Context): Promise<Figure[]> {
  const bytes = context.quick ? 64 * MIB : 2 * GIB;
  return [
    ...(await layout(context, "dense data", bytes, 4 * MIB, 0)),
    ...(await layout(context, "4 KiB data, 4 KiB hole", bytes / 8, BLOCK, BLOCK)),
  ];
}

/** @param bytes of data
 * @param run bytes of data that lie together
 * @param hole bytes between runs */
async function layout(
  { directory, progress, signal }: Context,
  name: string,
  bytes: number,
  run: number,
  hole: number,
): Promise<Figure[]> {
  const size = (bytes / run) * (run + hole);
  const services: Service[] = [];
  const place = `${directory}/rebuild`;
  try {
    const [source, target] = [await startReplica(`${place}/source`, size, services), await startReplica(`${place}/target`, size, services)]; // prettier-ignore
    await Promise.all([source, target].map((address) => closed(address, signal)));
    progress(`${name}: writing ${bytes / MIB} MiB`);
    const file = `${place}/source/volume-head-000.img`;
    await fill(file, size, run, hole, signal);
    const copies = [await copy(file, `${place}/copy`, signal)];
    const controller = await startController(source, size, services, signal);
    progress(`${name}: adding a replica`);
    const begin = performance.now();
    await addReplica(controller, target, size, signal);
    const seconds = (performance.now() - begin) / 1000;
    copies.push(await copy(`${place}/source/${await newestSnapshot(`${place}/source`)}`, `${place}/copy`, signal)); // prettier-ignore
    const copySeconds = copies.reduce((a, b) => a + b, 0) / copies.length;
    return [
      { what: `${name}: rebuilt, verified and durable`, value: bytes / MIB / seconds, unit: "MiB/s" },
      { what: `${name}: cp and sync, before and after`, value: bytes / MIB / copySeconds, unit: "MiB/s" },
      { what: `${name}: rebuild, times cp`, value: copySeconds / seconds, unit: "" },
    ];
  } finally {
    for (const service of services.reverse()) await service.stop();
    await rm(place, { recursive: true, force: true });
  }
}

async function fill(
  path: string,
  size: number,
  run: number,
  hole: number,
  signal: AbortSignal,
): Promise<void> {
  const file = await openFile(path, "r+");
  const data = randomBytes(run);
  for (let offset = 0, count = 0; offset < size; offset += run + hole, count++) {
    signal.throwIfAborted();
    data.writeUInt32LE(count);
    await file.write(data, 0, run, offset);
  }
  await file.sync();
  await file.close();
}

/** @returns seconds */
async function copy(from: string, to: string, signal: AbortSignal): Promise<number> {
  const begin = performance.now();
  await program("cp", ["--reflink=never", "--sparse=auto", from, to], signal);
  await program("sync", [to], signal);
  const seconds = (performance.now() - begin) / 1000;
  await rm(to);
  return seconds;
}

async function newestSnapshot(directory: string): Promise<string> {
  const name = (await readdir(directory)).find((file) => /^volume-snap-.*\.img$/.test(file));
  if (name === undefined) throw new Error(`there is no snapshot in ${directory}`);
  return name;
}
