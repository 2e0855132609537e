import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import t from "tap";
import { formatDiskMeta, headMeta, parseDiskMeta } from "./disk-meta.js";
import { ReplicaError } from "./replica-error.js";
import { formatVolumeMeta, parseVolumeMeta } from "./volume-meta.js";

const VOLUME =
  '{"Size":16777216,"Head":"volume-head-000.img","Dirty":true,"Rebuilding":false,"Error":"","Parent":"volume-snap-a.img","SectorSize":512,"BackingFilePath":"","Future":[1]}\n';
const DISK =
  '{"Name":"volume-snap-a.img","Parent":"volume-snap-b.img","Removed":false,"UserCreated":true,"Created":"2024-01-02T03:04:05Z","Labels":{"a":"b"},"Future":{"c":1}}\n';

/** Any text, any JSON, an object with our keys and any values, and good text with a few places overwritten. */
function damaged(good: string): fc.Arbitrary<string> {
  const keys = Object.keys(JSON.parse(good) as object);
  const edit = fc.tuple(fc.nat(good.length), fc.nat(8), fc.string({ maxLength: 8 }));
  return fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.json(),
    fc
      .dictionary(fc.constantFrom(...keys, "__proto__"), fc.jsonValue({ maxDepth: 2 }))
      .map((o) => JSON.stringify(o)),
    fc
      .array(edit, { maxLength: 4 })
      .map((edits) =>
        edits.reduce((text, [at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut), good),
      ),
  );
}

/** @param again formats and parses what was parsed */
function check<T>(good: string, parse: (text: string) => T, again: (parsed: T) => T): void {
  const property = fc.property(damaged(good), (text) => {
    let parsed: T;
    try {
      parsed = parse(text);
    } catch (error) {
      return error instanceof ReplicaError && error.message.includes("the file");
    }
    return isDeepStrictEqual(again(parsed), parsed);
  });
  fc.assert(property, { numRuns: 3_000 });
}

t.test("volume.meta: any text is refused by name, or read and written back without loss", async () => {
  const parse = (text: string) => parseVolumeMeta(text, "the file");
  check(VOLUME, parse, (meta) => parse(formatVolumeMeta(meta)));
});

t.test("a disk's meta: any text is refused by name, or read and written back without loss", async () => {
  const parse = (text: string) => parseDiskMeta(text, "the file");
  check(DISK, parse, (meta) => parse(formatDiskMeta("volume-snap-a.img", meta)));
});

t.test("labels are written as Go writes them, whatever is in them", (t) => {
  const labels = { z: "last", a: "<b> & \u2028\u2029", é: '"\\' };
  const text = formatDiskMeta("volume-head-000.img", { ...headMeta("", "2026-01-02T03:04:05Z"), labels });
  t.equal(
    text,
    `{"Name":"volume-head-000.img","Parent":"","Removed":false,"UserCreated":false,"Created":"2026-01-02T03:04:05Z","Labels":{"a":"\\u003cb\\u003e \\u0026 \\u2028\\u2029","z":"last","é":"\\"\\\\"}}\n`,
  );
  t.strictSame(parseDiskMeta(text, "x").labels, labels);
  t.end();
});
