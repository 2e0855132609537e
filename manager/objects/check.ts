/** Objects from outside: every field as the kind has it, what is left out filled in, anything else named and refused. */
import type { ValueError } from "@sinclair/typebox/errors";
import { Value } from "@sinclair/typebox/value";
import type { TSchema } from "@sinclair/typebox";
import { KINDS, type Kind, type SpecOf, type StatusOf } from "./kinds.js";

export class InvalidObject extends Error {
  override readonly name = "InvalidObject";
}

/** @throws {InvalidObject} */
export function checkSpec<K extends Kind>(kind: K, name: string, value: unknown): SpecOf<K> {
  return check(KINDS[kind].spec, `${kind} ${name}: spec`, value) as SpecOf<K>;
}

/** @throws {InvalidObject} */
export function checkStatus<K extends Kind>(kind: K, name: string, value: unknown): StatusOf<K> {
  return check(KINDS[kind].status, `${kind} ${name}: status`, value) as StatusOf<K>;
}

const NAME_LENGTH_MAX = 253;

/** @throws {InvalidObject} it is no DNS subdomain (RFC 1123), as Kubernetes asks of names */
export function checkName(kind: Kind, name: string): void {
  if (name.length > NAME_LENGTH_MAX || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name))
    throw new InvalidObject(
      `${kind} ${JSON.stringify(name)}: a name has lower-case letters, digits, "-" and ".", ${NAME_LENGTH_MAX} at most`,
    );
}

function check(schema: TSchema, what: string, value: unknown): unknown {
  const filled = Value.Default(schema, Value.Clone(value));
  const error = Value.Errors(schema, filled).First();
  if (error === undefined) return filled;
  const where = error.path.replaceAll("/", ".");
  throw new InvalidObject(`${what}${where}: ${expected(error)}, not ${excerpt(error.value)}`);
}

function expected({ schema, message }: ValueError): string {
  const words = (schema["anyOf"] as { const: string }[] | undefined)?.map((option) => option.const);
  return words === undefined
    ? message
    : `Expected one of ${words.map((word) => JSON.stringify(word)).join(", ")}`;
}

const EXCERPT_LENGTH = 60;

function excerpt(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length > EXCERPT_LENGTH ? `${text.slice(0, EXCERPT_LENGTH)}...` : text;
}
