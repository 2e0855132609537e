/** What time has to do with the model: who said lately that a record is still there, and the wait of one that takes over. */
import type { Engine, Running, World } from "./membership-world.js";

/** Those that have an engine's record. */
export function haveRecord({ replicas }: World, { id }: Running): number {
  return replicas.reduce((set, { engine }, i) => (engine === id ? set | (1 << i) : set), 0);
}

/** Until a step, all members that could say that they were still an engine's did so. */
export function hear(before: World, after: World): World {
  const waits = (engine: Engine) => engine.is === "serving" && engine.waits;
  const engines = after.engines.map((engine, i): Engine => {
    const then = before.engines[i];
    if (engine.is === "off" || then === undefined || then.is === "off" || then.id !== engine.id)
      return engine;
    const [said, says] = [haveRecord(before, then), haveRecord(after, engine)];
    const isOutwaited = before.engines.some((other, j) => i !== j && waits(other));
    const pastSince = isOutwaited ? (engine.pastSince | said) & ~says : 0;
    const past = (engine.past | said) & ~says;
    return past === engine.past && pastSince === engine.pastSince ? engine : { ...engine, past, pastSince };
  });
  return { ...after, engines };
}

export function changeOthers(
  world: World,
  index: number,
  change: (engine: Exclude<Engine, { is: "off" }>) => Engine,
): World {
  const engines = world.engines.map((engine, i) =>
    i === index || engine.is === "off" ? engine : change(engine),
  );
  return { ...world, engines };
}
