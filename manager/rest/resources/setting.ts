/** Settings and recurring jobs, as the API shows them. Pure. */
import type { Resource } from "../../objects/resource.js";
import { definitionOf } from "../../settings/settings.js";
import type { SettingName } from "../../settings/definitions.js";
import type { Item } from "../http/envelope.js";
import type { Body } from "../schemas/index.js";

/** @param stored null: it has its default */
export function settingToResource(name: SettingName, stored: Resource<"Setting"> | null): Item<"setting"> {
  return {
    type: "setting",
    id: name,
    actions: [],
    body: {
      name,
      value: stored?.spec.value ?? definitionOf(name).default,
      // Those for which Longhorn waits until volumes are detached are no matter of running engines here.
      applied: true,
      definition: definitionBody(name),
    },
  };
}

function definitionBody(name: SettingName): Body<"settingDefinition"> {
  const { category, type, default: value, description, noEffect, optional, readOnly, perEngine, min, max, options } = definitionOf(name); // prettier-ignore
  const range = {
    ...(min === undefined ? {} : { minimum: min }),
    ...(max === undefined ? {} : { maximum: max }),
  };
  const isBounded = Object.keys(range).length > 0;
  return {
    displayName: displayName(name),
    // People who change one that does nothing here are to know.
    description: noEffect === undefined ? description : `${description} Here: ${noEffect}.`,
    category,
    type,
    default: value,
    required: optional !== true,
    readOnly: readOnly === true,
    dataEngineSpecific: perEngine === true,
    ...(options === undefined ? {} : { options: [...options] }),
    ...(isBounded && type === "int" ? { range } : {}),
    ...(isBounded && type === "float" ? { floatRange: range } : {}),
  };
}

function displayName(name: string): string {
  return name
    .split("-")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join(" ");
}

export function recurringJobToResource({
  metadata,
  spec,
  status,
}: Resource<"RecurringJob">): Item<"recurringJob"> {
  const { task, cron, retain, concurrency, groups, labels, parameters } = spec;
  const { name } = metadata;
  return {
    type: "recurringJob",
    id: name,
    actions: [],
    body: {
      name,
      task,
      cron,
      retain,
      concurrency,
      groups,
      labels,
      parameters,
      executionCount: status.executionCount,
      ownerID: "",
    },
  };
}
