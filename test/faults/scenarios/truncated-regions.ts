import { scenario } from "../scenario.js";
import { truncate, playDamage } from "../world/damage.js";

export default scenario("a replica's write-intent map loses its end while it is away", {}, async (world) => {
  for (const replica of world.replicas) await playDamage(world, replica, /^aurochs\.regions$/, truncate);
});
