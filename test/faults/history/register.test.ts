import fc from "fast-check";
import t from "tap";
import { registerViolation, ZERO, type RegisterRead, type RegisterWrite } from "./register.js";

const beginning: RegisterWrite = { value: ZERO, start: -Infinity, end: -Infinity, certain: true };

function write(value: number, start: number, end: number, certain = true): RegisterWrite {
  return { value, start, end, certain };
}

function read(value: number, start: number, end: number): RegisterRead {
  return { value, start, end };
}

function isLegal(writes: RegisterWrite[], reads: RegisterRead[]): boolean {
  return registerViolation([beginning, ...writes], reads) === null;
}

t.test("legal histories", async (t) => {
  t.ok(isLegal([], [read(0, 1, 2)]), "nothing was written");
  t.ok(isLegal([write(1, 1, 2)], [read(0, 0, 1.5), read(1, 3, 4)]), "read during the write");
  t.ok(
    isLegal([write(1, 1, 4), write(2, 2, 3)], [read(1, 5, 6)]),
    "writes at the same time, in either order",
  );
  t.ok(isLegal([write(1, 1, 4), write(2, 2, 3)], [read(2, 5, 6)]));
  t.ok(
    isLegal([write(1, 1, 2), write(2, 3, 9, false)], [read(1, 10, 11)]),
    "unanswered, and it did not happen",
  );
  t.ok(isLegal([write(1, 1, 2), write(2, 3, 9, false)], [read(2, 10, 11)]), "unanswered, and it happened");
  t.ok(isLegal([write(1, 1, 2), write(0, 3, 4)], [read(0, 5, 6)]), "unmapped");
  t.ok(isLegal([write(1, 1, 2), write(0, 3, 4), write(2, 5, 6)], [read(2, 7, 8)]));
});

t.test("illegal histories", async (t) => {
  t.notOk(isLegal([write(1, 1, 2)], [read(0, 3, 4)]), "a lost write");
  t.notOk(isLegal([write(1, 1, 2), write(2, 3, 4)], [read(1, 5, 6)]), "a stale read");
  t.notOk(isLegal([], [read(7, 1, 2)]), "never written");
  t.notOk(isLegal([write(1, 3, 4)], [read(1, 1, 2)]), "read before it was written");
  t.notOk(isLegal([write(1, 1, 9, false)], [read(1, 2, 3), read(0, 4, 5)]), "seen, then not any more");
  t.notOk(
    isLegal([write(1, 1, 4), write(2, 2, 3)], [read(1, 5, 6), read(2, 7, 8), read(1, 9, 10)]),
    "two copies that differ, read in turn",
  );
  t.notOk(isLegal([write(1, 1, 2), write(2, 3, 9, false)], [read(2, 10, 11), read(1, 12, 13)]), "back again");
  t.notOk(isLegal([write(1, 1, 2), write(0, 3, 4)], [read(1, 5, 6)]), "data that come back after an unmap");
  t.notOk(isLegal([write(0, 1, 2), write(1, 3, 4)], [read(0, 5, 6)]), "zeros that come back");
});

/** The definition: some order of all operations that happened, in which each comes before those that began after its end. */
function bruteForce(writes: readonly RegisterWrite[], reads: readonly RegisterRead[]): boolean {
  type Step = { start: number; end: number; value: number; read: boolean; needed: boolean };
  const steps: Step[] = [
    ...writes.map((each) => ({ ...each, read: false, needed: each.certain })),
    ...reads.map((each) => ({ ...each, read: true, needed: true })),
  ];
  const search = (left: Step[], value: number): boolean => {
    if (!left.some(({ needed }) => needed)) return true;
    return left.some((step) => {
      const others = left.filter((other) => other !== step);
      if (others.some((other) => other.needed && other.end < step.start)) return false;
      if (step.read && step.value !== value) return false;
      // Whatever had to be before this one, and did not happen, has not happened.
      return search(
        others.filter((other) => !(other.end < step.start)),
        step.value,
      );
    });
  };
  return search(steps, ZERO);
}

const interval = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 15 }));

function histories(unmaps: boolean) {
  return fc
    .tuple(
      fc.array(fc.tuple(interval, fc.boolean(), fc.integer({ min: 0, max: 3 })), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.array(fc.tuple(interval, fc.integer({ min: 0, max: 4 })), { minLength: 1, maxLength: 4 }),
    )
    .map(([writes, reads]) => ({
      writes: writes.map(([[start, length], certain, dice], index) =>
        write(unmaps && dice === 0 ? ZERO : index + 1, start, start + length, certain || dice > 1),
      ),
      reads: reads.map(([[start, length], value]) => read(value, start, start + length)),
    }));
}

t.test("where each write has its own value, it finds what an exhaustive search finds", async (t) => {
  const seen = { legal: 0, illegal: 0 };
  fc.assert(
    fc.property(histories(false), ({ writes, reads }) => {
      const legal = bruteForce(writes, reads);
      seen[legal ? "legal" : "illegal"] += 1;
      return isLegal(writes, reads) === legal;
    }),
    { numRuns: 5_000 },
  );
  t.ok(seen.legal > 300 && seen.illegal > 300, JSON.stringify(seen));
});

t.test("with unmaps, it refuses nothing that an exhaustive search allows, and misses little", async (t) => {
  let missed = 0;
  fc.assert(
    fc.property(histories(true), ({ writes, reads }) => {
      const legal = bruteForce(writes, reads);
      if (!legal && isLegal(writes, reads)) missed += 1;
      return !legal || isLegal(writes, reads);
    }),
    { numRuns: 5_000 },
  );
  t.ok(missed < 250, `${missed} of 5000 missed`);
});
