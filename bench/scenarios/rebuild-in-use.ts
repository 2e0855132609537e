/** A replica is added while the volume is used, and gets all data as the file of a snapshot: how much longer do its users' operations take? */
import { rm } from "node:fs/promises";
import { freePorts } from "../../cli/free-ports.js";
import type { Service } from "../child.js";
import { prefill } from "../load.js";
import { median } from "../statistics.js";
import { addReplica, closed, startController, startReplica, VOLUME } from "./longhorn-set.js";
import type { Context, Figure, Scenario } from "./scenario.js";
import { rangeOf, Users } from "./users.js";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export const rebuildInUse: Scenario = {
  name: "rebuild-in-use",
  about:
    "70/30 random reads and writes at depth 4, 2,000 a second, while a replica is added and gets all data as files",
  run,
};

async function run({ directory, quick, progress, signal }: Context): Promise<Figure[]> {
  const [size, windows, seconds] = quick ? [512 * MIB, 2, 1] : [2 * GIB, 5, 2];
  const services: Service[] = [];
  const place = `${directory}/rebuild-in-use`;
  try {
    const source = await startReplica(`${place}/source`, size, services);
    const target = await startReplica(`${place}/target`, size, services);
    await Promise.all([source, target].map((address) => closed(address, signal)));
    const portal = `127.0.0.1:${(await freePorts([], 1, 1)).join()}`;
    const flags = ["--frontend", "tgt-iscsi", "--portal", portal];
    const controller = await startController(source, size, services, signal, flags);
    const access = { iscsi: `iscsi://${portal}/iqn.2019-10.io.longhorn:${VOLUME}/1` };
    progress(`writing ${size / MIB} MiB`);
    await prefill(access, size, signal);
    const users = new Users(() => access, size, seconds, signal);
    const [idle, during]: [number[], number[]] = [[], []];
    const alone = async (): Promise<void> => {
      progress("the load alone");
      for (let i = 0; i < windows; i++) idle.push(await users.window());
    };
    await alone();
    progress("the load while a replica is added");
    const begin = performance.now();
    let ended = 0;
    const adding = addReplica(controller, target, size, signal).then(() => (ended = performance.now()));
    for (;;) {
      const p99 = await users.window();
      if (ended > 0) break;
      during.push(p99);
    }
    await adding;
    if (during.length === 0) throw new Error("all was copied before anything was measured");
    await alone();
    return [
      { what: "99 % of operations, the load alone before and after", value: median(idle), unit: "ms", range: rangeOf(idle) },
      { what: "99 % of operations while the replica is added", value: median(during), unit: "ms", range: rangeOf(during) },
      { what: "times", value: median(during) / median(idle), unit: "" },
      { what: "added, verified and durable", value: size / MIB / ((ended - begin) / 1000), unit: "MiB/s" },
    ]; // prettier-ignore
  } finally {
    for (const service of services.reverse()) await service.stop();
    await rm(place, { recursive: true, force: true });
  }
}
