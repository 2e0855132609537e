// A protobuf package as TypeScript: an interface per message, with every field there, and a table of methods per service.
import protobuf from "protobufjs";

const { Enum, MapField, Service, Type } = protobuf;

const EMPTY = "google.protobuf.Empty";
const SCALARS = { string: "string", bool: "boolean", bytes: "Uint8Array" };

const children = (namespace, kind) => namespace.nestedArray.filter((child) => child instanceof kind);

/** Declarations for the package's static module: only what `codec.ts` needs. */
export function typesOf(namespace) {
  const names = children(namespace, Type).map(({ name }) => `  ${name}: GeneratedType;`);
  return `import type { GeneratedType } from "../codec.js";\n\nexport declare const ${namespace.name}: {\n${names.join("\n")}\n};\n`;
}

export function plainModule(namespace) {
  namespace.root.resolveAll();
  const parts = [
    ...children(namespace, Enum).map(enumeration),
    ...children(namespace, Type).map(message),
    ...children(namespace, Service).map(service),
  ];
  const body = parts.join("\n\n");
  const used = ["codec", "emptyCodec"].filter((name) => new RegExp(`\\b${name}\\b`).test(body));
  const imports = [
    `import { ${used.join(", ")} } from "../codec.js";`,
    'import { unaryMethod } from "../unary.js";',
    `import { ${namespace.name} as generated } from "./${namespace.name}.js";`,
  ];
  return `${imports.join("\n")}\n\n${body}\n`;
}

// Numbers of a later version may arrive: fields of the type are plain numbers.
function enumeration({ name, values, comment }) {
  const rows = Object.entries(values).map(([key, number]) => `  ${key}: ${number},`);
  return `${doc(comment)}export const ${name} = {\n${rows.join("\n")}\n} as const;`;
}

function message({ name, fieldsArray, comment }) {
  const rows = fieldsArray.map((field) => `${doc(field.comment, "  ")}  ${field.name}: ${typeOf(field)};`);
  if (rows.length === 0) throw new Error(`${name} has no fields`);
  return `${doc(comment)}export interface ${name} {\n${rows.join("\n")}\n}`;
}

function typeOf(field) {
  const plain =
    field.resolvedType instanceof Type ? field.resolvedType.name : (SCALARS[field.type] ?? "number");
  if (field instanceof MapField) return `Record<string, ${plain}>`;
  if (field.repeated) return `${plain}[]`;
  return field.resolvedType instanceof Type ? `${plain} | null` : plain;
}

function service({ name, fullName, methodsArray, comment }) {
  const rows = methodsArray.map((method) => {
    if (method.requestStream || method.responseStream) throw new Error(`${method.fullName} is not unary`);
    const path = `/${fullName.slice(1)}/${method.name}`;
    const key = method.name.charAt(0).toLowerCase() + method.name.slice(1);
    return `  ${key}: unaryMethod("${path}", ${codecOf(method.requestType)}, ${codecOf(method.responseType)}),`;
  });
  return `${doc(comment)}export const ${name} = {\n${rows.join("\n")}\n};`;
}

function codecOf(type) {
  if (type === EMPTY) return "emptyCodec";
  const name = type.split(".").at(-1);
  return `codec<${name}>(generated.${name})`;
}

function doc(comment, indent = "") {
  return comment ? `${indent}/** ${comment} */\n` : "";
}
