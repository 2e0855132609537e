import { scenario } from "../scenario.js";
import { flip, playDamage } from "../world/damage.js";

export default scenario("bits flip in a replica's record of members while it is away", {}, async (world) => {
  for (const replica of world.replicas) await playDamage(world, replica, /^aurochs\.record$/, flip);
});
