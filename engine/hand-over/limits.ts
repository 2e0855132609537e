/** Bounds of a hand-over, with units and reasons. */
import { UNIT_STATE_BYTES_MAX } from "../target/limits.js";

/** Characters of one message: a unit's state in base64, and some words. */
export const MESSAGE_BYTES_MAX = Math.ceil((UNIT_STATE_BYTES_MAX * 4) / 3) + 1_024;

/** ms for what was written lately to become durable, and again for operations under way to end, before a hand-over is given up: initiators' I/O waits meanwhile, and a replica
 * that hangs is dealt with by the engine that knows it. */
export const HOLD_MS = 5_000;

/** ms that replicas have to make everything durable after that; those that need longer are compared by the next engine. */
export const RELEASE_MS = 5_000;

/** ms that one replica has to close its directory, where the next engine brings other processes for them. */
export const CLOSE_MS = 5_000;

/** ms that the next engine waits for the one that serves; more than that needs at worst. */
export const ANSWER_MS = 2 * HOLD_MS + RELEASE_MS + CLOSE_MS + 5_000;

/** ms that the first engine has to let its initiators go. */
export const LEFT_MS = 5_000;

/** ms that the next engine has to take over what it was given, before the first one goes on: below what initiators wait for
 * an answer (30 s), as they do meanwhile. */
export const TAKE_MS = 15_000;
