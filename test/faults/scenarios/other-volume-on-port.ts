import { VOLUME } from "../world/replica.js";
import { join } from "node:path";
import { scenario } from "../scenario.js";

export default scenario("a replica of another volume answers on a replica's ports", {}, async (world) => {
  const { a, engine, load, folder } = world;
  await world.moment();
  await a.kill();
  const { directory } = a;
  Object.assign(a, { directory: join(folder, "other"), volume: "other" });
  a.start();
  await engine.until("the replica to be left out", ({ replicas }) => replicas[0]?.mode === "ERR");
  await load.progress(1000);
  const status = await engine.until(
    "a cause that names the other volume",
    ({ replicas }) => /other/.test(replicas[0]?.cause ?? ""),
    20_000,
  );
  world.clearly(`a cause is told: ${status.replicas[0]?.cause}`, true);
  await a.kill();
  Object.assign(a, { directory, volume: VOLUME });
  a.start();
  await world.healthy();
});
