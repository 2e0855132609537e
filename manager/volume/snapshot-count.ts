/** The condition that warns of many snapshots: rebuilds copy each of them. Facts: manager.md section 2. */
import { noted } from "../objects/conditions.js";
import type { Draft } from "./draft.js";

const SNAPSHOTS_MANY = 100;

export function noteSnapshots({ volume, engine, now }: Draft): void {
  if (engine === null) return;
  const { status } = volume;
  const count = Object.keys(engine.status.snapshots).filter((name) => name !== "volume-head").length;
  const isMany = count > SNAPSHOTS_MANY;
  const condition = {
    type: "TooManySnapshots",
    status: isMany ? "True" : "False",
    reason: isMany ? "TooManySnapshots" : "",
    message: isMany ? `the volume has more than ${SNAPSHOTS_MANY} snapshots` : "",
  };
  status.conditions = noted(condition, status.conditions, now);
}
