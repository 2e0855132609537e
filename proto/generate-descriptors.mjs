// The descriptors of all packages as a TypeScript module, for gRPC reflection: serialized FileDescriptorProtos in base64,
// one per package, and which file declares a symbol.
import { Buffer } from "node:buffer";
import "protobufjs/ext/descriptor.js";

export function descriptorsModule(root) {
  root.resolveAll();
  const set = root.toDescriptor("proto3");
  const symbols = {};
  for (const file of set.file) for (const symbol of symbolsOf(file)) symbols[symbol] = file.name;
  for (const file of set.file) {
    // One file per package: files of other packages are all that it may need.
    const needed = new Set();
    for (const type of file.messageType) walk(type, (field) => needed.add(field.typeName));
    for (const { method } of file.service)
      for (const { inputType, outputType } of method) needed.add(inputType).add(outputType);
    const files = new Set([...needed].map((name) => symbols[name?.replace(/^\./, "")]));
    file.dependency = set.file
      .filter((other) => other !== file && files.has(other.name))
      .map(({ name }) => name);
  }
  const files = Object.fromEntries(
    set.file.map((file) => [
      file.name,
      {
        dependencies: file.dependency,
        bytes: Buffer.from(file.constructor.encode(file).finish()).toString("base64"),
      },
    ]),
  );
  const map = (object) => `new Map(Object.entries(${JSON.stringify(object, null, 2)}))`;
  return (
    "/** By file name: what it imports, and its serialized FileDescriptorProto in base64. */\n" +
    `export const FILES: ReadonlyMap<string, { dependencies: string[]; bytes: string }> = ${map(files)};\n\n` +
    "/** By full name of a service, method, message or enum: its file. */\n" +
    `export const FILE_OF_SYMBOL: ReadonlyMap<string, string> = ${map(symbols)};\n`
  );
}

function walk(type, visit) {
  type.field.forEach(visit);
  type.nestedType.forEach((nested) => walk(nested, visit));
}

function symbolsOf(file) {
  const prefix = file.package ? `${file.package}.` : "";
  const inType = (before, type) => [
    `${before}${type.name}`,
    ...type.nestedType.flatMap((nested) => inType(`${before}${type.name}.`, nested)),
    ...type.enumType.map(({ name }) => `${before}${type.name}.${name}`),
  ];
  return [
    ...file.messageType.flatMap((type) => inType(prefix, type)),
    ...file.enumType.map(({ name }) => `${prefix}${name}`),
    ...file.service.flatMap(({ name, method }) => [
      `${prefix}${name}`,
      ...method.map((one) => `${prefix}${name}.${one.name}`),
    ]),
  ];
}
