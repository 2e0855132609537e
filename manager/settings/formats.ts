/** What values of settings look like, beyond what their types tell. Facts: settings.json, `format`. */
import { Cron } from "croner";
import type { SettingName } from "./definitions.js";

/** Names of Kubernetes' objects, and prefixes of label keys. */
const NAME = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL = /^[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?$/;

const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
const ORPHANS = ["replica-data", "instance"];

/** @returns what is wrong, null when nothing is */
type Check = (value: string) => string | null;

const path = check("is no absolute path", (value) => value.startsWith("/"));
const nameOrNothing = check("is no name of an object of Kubernetes", (value) => value === "" || NAME.test(value)); // prettier-ignore

export const FORMATS: Partial<Record<SettingName, Check>> = {
  "default-data-path": path,
  "log-path": path,
  "upgrade-responder-url": check("is no URL", isUrl),
  "default-longhorn-static-storage-class": nameOrNothing,
  "priority-class": nameOrNothing,
  "registry-secret": nameOrNothing,
  "taint-toleration": listOf(
    `is not made of KEY=VALUE:EFFECT or KEY:EFFECT, with ";" between; effects are ${EFFECTS.join(", ")}`,
    isToleration,
  ),
  "system-managed-components-node-selector": listOf('is not made of KEY:VALUE, with ";" between', isLabel),
  "blacklist-for-auto-delete-pod-when-volume-detached-unexpectedly": listOf(
    'is not made of GROUP/KIND as apps/ReplicaSet, with ";" between',
    (one) => /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z][A-Za-z0-9]*$/.test(one),
  ),
  "storage-network": check("is not NAMESPACE/NAME of a NetworkAttachmentDefinition", (value) => {
    const parts = value.split("/");
    return value === "" || (parts.length === 2 && parts.every((part) => NAME.test(part)));
  }),
  "crd-api-version": check("is not known", (value) => ["", "longhorn.io/v1beta2"].includes(value)),
  "orphan-resource-auto-deletion": listOf(`is not made of ${ORPHANS.join(" and ")}, with ";" between`, (one) => ORPHANS.includes(one)), // prettier-ignore
  "snapshot-data-integrity-cronjob": cronProblem,
  "data-engine-cpu-mask": check("is no hexadecimal mask of processors as 0x1", (value) => /^0x(?=.*[1-9a-fA-F])[\da-fA-F]+$/.test(value)), // prettier-ignore
  "data-engine-log-flags": check('is not made of names, with "," between', (value) => /^(\w+(,\w+)*)?$/.test(value)), // prettier-ignore
};

/** @returns what is wrong with an expression of five fields, null when nothing is */
export function cronProblem(expression: string): string | null {
  if (expression.trim().split(/\s+/).length !== 5)
    return "does not have the five fields of a cron expression";
  try {
    const cron = new Cron(expression, { paused: true });
    const isEver = cron.nextRun() !== null;
    cron.stop();
    return isEver ? null : "never comes: no such day is in the calendar";
  } catch (error) {
    return `is no cron expression: ${(error as Error).message}`;
  }
}

function check(what: string, isRight: (value: string) => boolean): Check {
  return (value) => (isRight(value) ? null : what);
}

/** With ";" between; it may be empty. */
function listOf(what: string, isRight: (one: string) => boolean): Check {
  return check(what, (value) => value === "" || value.split(";").every((one) => isRight(one.trim())));
}

function isUrl(value: string): boolean {
  return URL.canParse(value) && /^https?:\/\//.test(value);
}

/** "team:" is for taints of any effect, ":" for all taints. */
function isToleration(one: string): boolean {
  const [, key = "", value, effect = ""] = /^([^:=]*)(?:=([^:=]*))?: *([^:]*)$/.exec(one) ?? [];
  if (!one.includes(":") || (effect !== "" && !EFFECTS.includes(effect))) return false;
  if (key === "") return value === undefined && one.startsWith(":");
  return isLabelKey(key) && isLabelValue(value ?? "");
}

function isLabel(one: string): boolean {
  const [key = "", value, ...more] = one.split(":").map((part) => part.trim());
  return value !== undefined && more.length === 0 && isLabelKey(key) && isLabelValue(value);
}

function isLabelKey(key: string): boolean {
  const [name = "", prefix, ...more] = key.split("/").reverse();
  return more.length === 0 && LABEL.test(name) && (prefix === undefined || NAME.test(prefix));
}

function isLabelValue(value: string): boolean {
  return value === "" || LABEL.test(value);
}
