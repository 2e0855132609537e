/** Values of settings: checked when they are written, and typed when they are read. */
import { DEFINITIONS, RENAMED, type SettingName } from "./definitions.js";
import type { SettingDefinition } from "./definition.js";
import { FORMATS } from "./formats.js";

export class InvalidSetting extends Error {
  override readonly name = "InvalidSetting";
}

export type DataEngine = "v1" | "v2";

export function isSetting(name: string): name is SettingName {
  return Object.hasOwn(DEFINITIONS, name);
}

export function definitionOf(name: SettingName): SettingDefinition {
  return DEFINITIONS[name];
}

/** @returns the present name of a setting that was renamed, or the same */
export function presentName(name: string): string {
  return Object.hasOwn(RENAMED, name) ? (RENAMED[name] ?? name) : name;
}

/** @param value as a user gives it; for a setting per engine also one for all of them
 * @returns as it is stored
 * @throws {InvalidSetting} */
export function checkSetting(name: SettingName, value: string): string {
  const definition = definitionOf(name);
  const text = value.trim();
  if (definition.perEngine !== true) {
    checkOne(name, definition, text);
    return text;
  }
  const engines = Object.keys(JSON.parse(definition.default) as Record<string, string>);
  const values = perEngine(name, text, engines);
  for (const one of Object.values(values)) checkOne(name, definition, one);
  return JSON.stringify(values);
}

function perEngine(name: string, text: string, engines: string[]): Record<string, string> {
  if (!text.startsWith("{")) return Object.fromEntries(engines.map((engine) => [engine, text]));
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    throw new InvalidSetting(`setting ${name}: ${JSON.stringify(text)} is no JSON`);
  }
  const entries = Object.entries(given as Record<string, unknown>);
  const wrong = entries.find(([engine, value]) => !engines.includes(engine) || typeof value !== "string");
  if (wrong !== undefined || entries.length !== engines.length)
    throw new InvalidSetting(
      `setting ${name}: has to be a text for each of ${engines.join(", ")}, as in ${definitionOf(name as SettingName).default}`,
    );
  return Object.fromEntries(
    engines.map((engine) => [engine, (given as Record<string, string>)[engine] ?? ""]),
  );
}

function checkOne(name: SettingName, definition: SettingDefinition, value: string): void {
  const refuse = (why: string): never => {
    throw new InvalidSetting(`setting ${name}: ${JSON.stringify(value)} ${why}`);
  };
  const { type, options, optional } = definition;
  if (value === "") {
    if (optional !== true && type !== "deprecated") refuse("is empty");
    if (options !== undefined) refuse(`is none of ${options.join(", ")}`);
  } else if (options !== undefined && !options.includes(value)) refuse(`is none of ${options.join(", ")}`);
  else if (type === "bool" && value !== "true" && value !== "false") refuse("is neither true nor false");
  else if (type === "int" && !/^-?\d{1,15}$/.test(value)) refuse("is no whole number");
  else if (type === "float" && !/^-?\d{1,15}(\.\d{1,9})?$/.test(value)) refuse("is no number");
  if (value !== "" && (type === "int" || type === "float")) {
    const { min = -Infinity, max = Infinity } = definition;
    if (Number(value) < min || Number(value) > max)
      refuse(`is not ${max === Infinity ? `${min} or more` : `from ${min} to ${max}`}`);
  }
  const why = FORMATS[name]?.(value) ?? null;
  if (why !== null) refuse(why);
}

/** Values as they count now: those that were stored, and the default of all others. */
export class SettingValues {
  /** @param stored by name */
  constructor(private readonly stored: ReadonlyMap<string, string>) {}

  text(name: SettingName, engine: DataEngine = "v1"): string {
    const definition = definitionOf(name);
    const value = this.stored.get(name) ?? definition.default;
    if (definition.perEngine !== true) return value;
    return (JSON.parse(value) as Record<string, string>)[engine] ?? "";
  }

  flag(name: SettingName, engine: DataEngine = "v1"): boolean {
    return this.text(name, engine) === "true";
  }

  number(name: SettingName, engine: DataEngine = "v1"): number {
    return Number(this.text(name, engine));
  }
}
