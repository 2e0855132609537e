/** Which of its changes an engine means: what it asks for may come late, or a second time, when it is at another one already. Pure decisions. */
import type { ChangeRequest } from "../proto/control.js";
import type { ControlDecision } from "./decide.js";

/** `change` 0: of an engine of before, which does not number them. */
export type EngineChange = Pick<ChangeRequest, "engineId" | "change">;

export interface EngineChanges {
  /** null: none */
  prepared: EngineChange | null;
  /** it, and those that its engine numbered lower, are not to be begun any more; null: none has come since the replica was opened */
  newest: EngineChange | null;
}

/** An engine that is not the recorded one is refused before, so another one's are over.
 * @returns the newest when `asked` has come, too */
export function newestWith({ newest }: EngineChanges, asked: EngineChange): EngineChange | null {
  return isKnown(newest, asked) || asked.change === 0
    ? newest
    : { engineId: asked.engineId, change: asked.change };
}

/** May it be prepared, whatever is prepared so far? Again is no error while it is prepared, but nobody would end it later. */
export function decidePrepare({ prepared, newest }: EngineChanges, asked: EngineChange): ControlDecision {
  if (isSame(prepared, asked) || !isKnown(newest, asked)) return { accept: true };
  return refuse(`change ${asked.change} is over: change ${newest?.change} has been begun here`);
}

/** May it be committed, or abandoned? Only what is prepared: what took its place is for its own call to end. */
export function decideEnd({ prepared }: EngineChanges, asked: EngineChange): ControlDecision {
  if (isSame(prepared, asked)) return { accept: true };
  if (prepared === null) return refuse("no snapshot is prepared here");
  return refuse(`change ${prepared.change} of engine ${prepared.engineId} is prepared here, not ${asked.change} of ${asked.engineId}`); // prettier-ignore
}

export function isSame(one: EngineChange | null, other: EngineChange): boolean {
  return one?.engineId === other.engineId && one.change === other.change;
}

function isKnown(newest: EngineChange | null, { engineId, change }: EngineChange): boolean {
  return change > 0 && newest?.engineId === engineId && change <= newest.change;
}

function refuse(message: string): ControlDecision {
  return { accept: false, code: "FAILED_PRECONDITION", message };
}
