// Protobuf packages as TypeScript: an interface per message, with every field there, and tables of methods per service.
import protobuf from "protobufjs";

const { Enum, MapField, Service, Type } = protobuf;

const EMPTY = "google.protobuf.Empty";
const SCALARS = { string: "string", bool: "boolean", bytes: "Uint8Array" };

const children = (namespace, kind) => namespace.nestedArray.filter((child) => child instanceof kind);

/** @param name "" for what is in no package */
const namespaceOf = (root, name) => (name === "" ? root : root.lookup(name));

/** Declarations for the static module of some packages: only what `codec.ts` needs. */
export function typesOf(root, packages) {
  const declarations = packages.map((name) => {
    const types = children(namespaceOf(root, name), Type);
    if (name === "")
      return types.map((type) => `export declare const ${type.name}: GeneratedType;`).join("\n");
    const [first, ...inner] = name.split(".");
    const body = types.map((type) => `${type.name}: GeneratedType;`).join("\n");
    const nested = inner.reduceRight((text, part) => `${part}: {\n${text}\n};`, body);
    return `export declare const ${first}: {\n${nested}\n};`;
  });
  return `import type { GeneratedType } from "../codec.js";\n\n${declarations.join("\n\n")}\n`;
}

/** @param moduleOf by package, the base name of the module that has it */
export function plainModule(root, packages, moduleOf) {
  root.resolveAll();
  const namespaces = packages.map((name) => namespaceOf(root, name));
  const parts = namespaces.flatMap((namespace) => [
    ...children(namespace, Enum).map(enumeration),
    ...children(namespace, Type).map(message),
    ...children(namespace, Service).flatMap(service),
  ]);
  const body = parts.join("\n\n");
  const base = moduleOf.get(packages[0]);
  const importOf = (names, from) => {
    const used = names.filter((name) => new RegExp(`\\b${name}\\b`).test(body));
    return used.length === 0 ? [] : [`import { ${used.join(", ")} } from "${from}";`];
  };
  const imports = [
    ...importOf(["codec", "emptyCodec"], "../codec.js"),
    ...importOf(["serverStreamMethod"], "../server-stream.js"),
    ...importOf(["unaryMethod"], "../unary.js"),
    ...(body.includes("generated.") ? [`import * as generated from "./${base}.js";`] : []),
    ...foreignTypes(namespaces, moduleOf),
  ];
  return `${imports.join("\n")}\n\n${body}\n`;
}

/** Imports of the messages of other packages that are fields of these. */
function foreignTypes(namespaces, moduleOf) {
  const names = new Map();
  for (const field of namespaces.flatMap((one) => children(one, Type)).flatMap((type) => type.fieldsArray)) {
    const type = field.resolvedType;
    if (!(type instanceof Type) || namespaces.includes(type.parent)) continue;
    const module = moduleOf.get(type.parent.fullName.slice(1));
    names.set(module, (names.get(module) ?? new Set()).add(type.name));
  }
  return [...names].map(
    ([module, types]) => `import type { ${[...types].join(", ")} } from "./${module}-plain.js";`,
  );
}

// Numbers of a later version may arrive: fields of the type are plain numbers.
function enumeration({ name, values, comment }) {
  const rows = Object.entries(values).map(([key, number]) => `  ${key}: ${number},`);
  return `${doc(comment)}export const ${name} = {\n${rows.join("\n")}\n} as const;`;
}

function message({ name, fieldsArray, comment }) {
  if (fieldsArray.length === 0) return `${doc(comment)}export type ${name} = Record<string, never>;`;
  const rows = fieldsArray.map((field) => `${doc(field.comment, "  ")}  ${field.name}: ${typeOf(field)};`);
  return `${doc(comment)}export interface ${name} {\n${rows.join("\n")}\n}`;
}

function typeOf(field) {
  const plain =
    field.resolvedType instanceof Type ? field.resolvedType.name : (SCALARS[field.type] ?? "number");
  if (field instanceof MapField) return `Record<string, ${plain}>`;
  if (field.repeated) return `${plain}[]`;
  return field.resolvedType instanceof Type ? `${plain} | null` : plain;
}

/** A table of the unary calls, and, where there are some, one of those whose answers are a stream. */
function service({ name, fullName, methodsArray, comment }) {
  const table = (suffix, streams) => {
    const rows = methodsArray
      .filter(({ responseStream }) => Boolean(responseStream) === streams)
      .map((method) => methodRow(fullName.slice(1), method));
    return rows.length === 0
      ? []
      : [`${doc(comment)}export const ${name}${suffix} = {\n${rows.join("\n")}\n};`];
  };
  return [...table("", false), ...table("Streams", true)];
}

function methodRow(serviceName, method) {
  if (method.requestStream) throw new Error(`${method.fullName} takes a stream`);
  const key = method.name.charAt(0).toLowerCase() + method.name.slice(1);
  const kind = method.responseStream ? "serverStreamMethod" : "unaryMethod";
  method.resolve();
  const codecs = `${codecOf(method.resolvedRequestType)}, ${codecOf(method.resolvedResponseType)}`;
  return `  ${key}: ${kind}("/${serviceName}/${method.name}", ${codecs}),`;
}

function codecOf({ name, fullName }) {
  return fullName === `.${EMPTY}` ? "emptyCodec" : `codec<${name}>(generated${fullName})`;
}

function doc(comment, indent = "") {
  return comment ? `${indent}/** ${comment} */\n` : "";
}
