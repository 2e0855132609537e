import t from "tap";
import fc from "fast-check";
import { REGISTRATIONS_MAX, SAVED_RESERVATION_BYTES_MAX } from "./limits.js";
import { decodeReservations, encodeReservations, SavedReservationsError } from "./reservation-store.js";
import {
  allowedAccess,
  apply,
  isHolder,
  NO_RESERVATIONS,
  RESERVATION_TYPE,
  TYPE_RULES,
  type ReservationEffects,
  type ReservationState,
  type ReservationType,
  type ReserveOut,
} from "./reservations.js";

const TYPES = Object.values(RESERVATION_TYPE);
const {
  WRITE_EXCLUSIVE,
  EXCLUSIVE_ACCESS,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS,
} = RESERVATION_TYPE;

/** Sends commands one after the other; a refused one leaves the state alone. */
class Device {
  state: ReservationState = NO_RESERVATIONS;
  effects: ReservationEffects = { attentions: [], abort: [] };

  send(port: string, action: ReserveOut["action"], key = 0n, actionKey = 0n): string {
    const outcome = apply(this.state, { port, action, key, actionKey });
    this.effects = outcome.type === "applied" ? outcome.effects : { attentions: [], abort: [] };
    if (outcome.type === "applied") this.state = outcome.state;
    return outcome.type === "refused"
      ? `${outcome.sense.asc.toString(16)}/${outcome.sense.ascq}`
      : outcome.type;
  }
  register(port: string, key: bigint, actionKey: bigint, ignoreExisting = false): string {
    return this.send(port, { type: "register", ignoreExisting, persistent: false }, key, actionKey);
  }
  reserve(port: string, key: bigint, reservationType: ReservationType): string {
    return this.send(port, { type: "reserve", reservationType }, key);
  }
  told(): string[] {
    return this.effects.attentions.map(({ port, attention }) => `${port}:${attention}`);
  }
}

/** a, b and c registered with keys 1, 2 and 3. */
function three(): Device {
  const device = new Device();
  ["a", "b", "c"].forEach((port, index) => device.register(port, 0n, BigInt(index + 1)));
  return device;
}

t.test("registering needs the present key, changing and removing it too", async (t) => {
  const device = new Device();
  t.equal(device.register("a", 5n, 1n), "conflict", "not registered: the key has to be 0");
  t.equal(device.register("a", 0n, 0n), "applied", "nothing to do");
  t.equal(device.state.generation, 0);
  t.equal(device.register("a", 0n, 1n), "applied");
  t.equal(device.register("a", 0n, 2n), "conflict");
  t.equal(device.register("a", 9n, 2n, true), "applied", "REGISTER AND IGNORE EXISTING KEY");
  t.equal(device.state.registrations.get("a"), 2n);
  t.equal(device.register("a", 2n, 0n), "applied");
  t.equal(device.state.registrations.size, 0);
  t.equal(device.state.generation, 3);
});

t.test("registrations have a bound", async (t) => {
  const device = new Device();
  for (let i = 0; i < REGISTRATIONS_MAX; ++i) device.register(`p${i}`, 0n, 1n);
  t.equal(device.register("one more", 0n, 1n), "55/4");
  t.equal(device.register("p0", 1n, 2n), "applied", "who is in may change the key");
});

t.test("access of the holder, a registrant and a stranger by type", async (t) => {
  const rows: [ReservationType, registrant: string, stranger: string][] = [
    [1, "r", "r"],
    [3, "", ""],
    [5, "rw", "r"],
    [6, "rw", ""],
    [7, "rw", "r"],
    [8, "rw", ""],
  ];
  const text = ({ read, write }: { read: boolean; write: boolean }): string =>
    (read ? "r" : "") + (write ? "w" : "");
  for (const [type, registrant, stranger] of rows) {
    const device = three();
    t.equal(device.reserve("a", 1n, type), "applied");
    t.equal(text(allowedAccess(device.state, "a")), "rw", `holder, type ${type}`);
    t.equal(text(allowedAccess(device.state, "b")), registrant, `registrant, type ${type}`);
    t.equal(text(allowedAccess(device.state, "x")), stranger, `stranger, type ${type}`);
  }
  t.equal(text(allowedAccess(three().state, "x")), "rw", "without a reservation");
});

t.test("reserving again is only the same by the holder", async (t) => {
  const device = three();
  t.equal(device.reserve("x", 0n, WRITE_EXCLUSIVE), "conflict", "not registered");
  t.equal(device.reserve("a", 9n, WRITE_EXCLUSIVE), "conflict", "wrong key");
  t.equal(device.reserve("a", 1n, WRITE_EXCLUSIVE), "applied");
  t.equal(device.reserve("a", 1n, WRITE_EXCLUSIVE), "applied");
  t.equal(device.reserve("a", 1n, EXCLUSIVE_ACCESS), "conflict");
  t.equal(device.reserve("b", 2n, WRITE_EXCLUSIVE), "conflict");
  t.equal(device.state.generation, 3, "RESERVE does not count");
});

t.test("release: by the holder, of the right type; registrants are told", async (t) => {
  const device = three();
  const release = (port: string, key: bigint, reservationType: ReservationType) =>
    device.send(port, { type: "release", reservationType }, key);
  t.equal(release("a", 1n, WRITE_EXCLUSIVE), "applied", "nothing to release");
  device.reserve("a", 1n, WRITE_EXCLUSIVE_REGISTRANTS_ONLY);
  t.equal(release("b", 2n, WRITE_EXCLUSIVE_REGISTRANTS_ONLY), "applied", "not the holder: nothing happens");
  t.ok(isHolder(device.state, "a"));
  t.equal(release("a", 1n, WRITE_EXCLUSIVE), "26/4");
  t.equal(release("a", 1n, WRITE_EXCLUSIVE_REGISTRANTS_ONLY), "applied");
  t.equal(device.state.reservation, null);
  t.same(device.told(), ["b:RESERVATIONS_RELEASED", "c:RESERVATIONS_RELEASED"]);
  device.reserve("a", 1n, WRITE_EXCLUSIVE);
  release("a", 1n, WRITE_EXCLUSIVE);
  t.same(device.told(), [], "nobody waits for one without registrants");
});

t.test("the holder's unregistering releases; with all registrants only the last one's does", async (t) => {
  const device = three();
  device.reserve("a", 1n, WRITE_EXCLUSIVE_REGISTRANTS_ONLY);
  device.register("a", 1n, 0n);
  t.equal(device.state.reservation, null);
  t.same(device.told(), ["b:RESERVATIONS_RELEASED", "c:RESERVATIONS_RELEASED"]);
  device.reserve("b", 2n, EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
  device.register("b", 2n, 0n);
  t.ok(isHolder(device.state, "c"));
  device.register("c", 3n, 0n);
  t.equal(device.state.reservation, null);
});

t.test("clear removes everything and tells the others", async (t) => {
  const device = three();
  device.reserve("b", 2n, EXCLUSIVE_ACCESS);
  t.equal(device.send("a", { type: "clear" }, 9n), "conflict");
  t.equal(device.send("a", { type: "clear" }, 1n), "applied");
  t.equal(device.state.registrations.size, 0);
  t.equal(device.state.reservation, null);
  t.same(device.told(), ["b:RESERVATIONS_PREEMPTED", "c:RESERVATIONS_PREEMPTED"]);
});

t.test("preempt", async (t) => {
  const preempt = (
    device: Device,
    port: string,
    key: bigint,
    victim: bigint,
    type: ReservationType,
    abort = false,
  ): string => device.send(port, { type: "preempt", reservationType: type, abort }, key, victim);
  const device = three();
  t.equal(preempt(device, "a", 1n, 0n, WRITE_EXCLUSIVE), "26/0", "no key, no all-registrants reservation");
  t.equal(preempt(device, "a", 1n, 9n, WRITE_EXCLUSIVE), "conflict", "nobody has that key");
  t.equal(preempt(device, "a", 1n, 2n, WRITE_EXCLUSIVE), "applied", "removes a registration");
  t.same([...device.state.registrations.keys()], ["a", "c"]);
  t.equal(device.state.reservation, null, "and reserves nothing");
  t.same(device.told(), ["b:REGISTRATIONS_PREEMPTED"]);

  device.reserve("c", 3n, EXCLUSIVE_ACCESS);
  t.equal(preempt(device, "a", 1n, 3n, WRITE_EXCLUSIVE, true), "applied", "takes the reservation over");
  t.same(device.state.reservation, { type: WRITE_EXCLUSIVE, holder: "a" });
  t.same([...device.state.registrations.keys()], ["a"]);
  t.same(device.effects.abort, ["c"]);

  const all = three();
  all.reserve("a", 1n, EXCLUSIVE_ACCESS_ALL_REGISTRANTS);
  t.equal(
    preempt(all, "b", 2n, 0n, EXCLUSIVE_ACCESS),
    "applied",
    "all registrants: key 0 means everybody else",
  );
  t.same(all.state.reservation, { type: EXCLUSIVE_ACCESS, holder: "b" });
  t.same([...all.state.registrations.keys()], ["b"]);

  const changed = three();
  changed.reserve("a", 1n, EXCLUSIVE_ACCESS);
  preempt(changed, "b", 2n, 1n, WRITE_EXCLUSIVE_REGISTRANTS_ONLY);
  t.same(changed.told(), ["a:REGISTRATIONS_PREEMPTED", "c:RESERVATIONS_RELEASED"], "the type changed");
});

t.test("register and move hands the reservation to another port", async (t) => {
  const device = three();
  const move = (port: string, key: bigint, to: string, actionKey: bigint, unregister = false): string =>
    device.send(port, { type: "registerAndMove", to, unregister, persistent: true }, key, actionKey);
  t.equal(move("a", 1n, "x", 7n), "conflict", "no reservation");
  device.reserve("a", 1n, WRITE_EXCLUSIVE);
  t.equal(move("b", 2n, "x", 7n), "conflict", "not the holder");
  t.equal(move("a", 1n, "a", 7n), "26/0", "to itself");
  t.equal(move("a", 1n, "x", 0n), "26/0", "without a key");
  t.equal(move("a", 1n, "x", 7n, true), "applied");
  t.same(device.state.reservation, { type: WRITE_EXCLUSIVE, holder: "x" });
  t.equal(device.state.registrations.get("x"), 7n);
  t.notOk(device.state.registrations.has("a"));
  t.ok(device.state.persistent);
});

const PORTS = ["a", "b", "c", "d"];
const key = fc.bigInt(0n, 3n);
const action: fc.Arbitrary<ReserveOut["action"]> = fc.oneof(
  fc.record({
    type: fc.constant("register" as const),
    ignoreExisting: fc.boolean(),
    persistent: fc.boolean(),
  }),
  fc.record({
    type: fc.constantFrom("reserve" as const, "release" as const),
    reservationType: fc.constantFrom(...TYPES),
  }),
  fc.record({ type: fc.constant("clear" as const) }),
  fc.record({
    type: fc.constant("preempt" as const),
    reservationType: fc.constantFrom(...TYPES),
    abort: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("registerAndMove" as const),
    to: fc.constantFrom(...PORTS),
    unregister: fc.boolean(),
    persistent: fc.boolean(),
  }),
);
const command: fc.Arbitrary<ReserveOut> = fc.record({
  port: fc.constantFrom(...PORTS),
  action,
  key,
  actionKey: key,
});

t.test("whatever comes, the state stays sound, and saving it loses nothing", async () => {
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      let state = NO_RESERVATIONS;
      for (const one of commands) {
        const before = state;
        const outcome = apply(before, one);
        if (outcome.type !== "applied") continue;
        state = outcome.state;
        const { reservation, registrations } = state;
        // A reservation has a holder that is registered, or registrants.
        if (reservation !== null) {
          const { all } = TYPE_RULES[reservation.type];
          if (all !== (reservation.holder === null)) return false;
          if (!PORTS.some((port) => isHolder(state, port))) return false;
        }
        if ([...registrations.values()].includes(0n)) return false;
        // Who was not registered with the right key changes nothing but its own registration.
        const entitled = before.registrations.get(one.port) === one.key;
        if (!entitled && one.action.type !== "register") return false;
        // Nobody tells or aborts itself, except that it may have preempted itself.
        if (outcome.effects.attentions.some(({ port }) => port === one.port)) return false;
        // A registration that went, other than one's own, is told or was cleared.
        for (const port of before.registrations.keys()) {
          if (registrations.has(port) || port === one.port) continue;
          if (!outcome.effects.attentions.some((told) => told.port === port)) return false;
        }
        const saved = decodeReservations(encodeReservations(state));
        const expected = state.persistent ? state : NO_RESERVATIONS;
        if (encodeReservations(saved).compare(encodeReservations(expected)) !== 0) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
});

t.test("the fullest state fits the space for it", async (t) => {
  let state: ReservationState = NO_RESERVATIONS;
  for (let i = 0; i < REGISTRATIONS_MAX; ++i) {
    const port = `iqn.${"n".repeat(215)}${String(i).padStart(4, "0")},i,0x00023d000001`;
    const outcome = apply(state, { port, action: { type: "register", ignoreExisting: false, persistent: true }, key: 0n, actionKey: 0xffff_ffff_ffff_ffffn }); // prettier-ignore
    if (outcome.type === "applied") state = outcome.state;
  }
  t.equal(state.registrations.size, REGISTRATIONS_MAX);
  t.ok(encodeReservations(state).length < SAVED_RESERVATION_BYTES_MAX);
  t.equal(decodeReservations(encodeReservations(state)).registrations.size, REGISTRATIONS_MAX);
});

t.test("damaged saved reservations are an error, never an empty state", async (t) => {
  const good = { version: 1, generation: 3, persistent: true, registrations: [{ port: "a", key: "1" }], reservation: { type: 1, holder: "a" } }; // prettier-ignore
  decodeReservations(Buffer.from(JSON.stringify(good)));
  const bad: unknown[] = [
    null,
    1,
    [],
    { ...good, version: 2 },
    { ...good, generation: -1 },
    { ...good, generation: "3" },
    { ...good, persistent: "yes" },
    { ...good, registrations: {} },
    { ...good, registrations: [null] },
    { ...good, registrations: [{ port: "a", key: "g" }] },
    { ...good, registrations: [{ port: "a", key: "1" }, { port: "a", key: "1" }] },
    { ...good, registrations: Array.from({ length: 129 }, (_, i) => ({ port: String(i), key: "1" })) },
    { ...good, reservation: { type: 2, holder: "a" } },
    { ...good, reservation: { type: 1, holder: "b" } },
    { ...good, reservation: { type: 7, holder: "a" } },
    { ...good, registrations: [], reservation: { type: 7, holder: null } },
    { ...good, reservation: undefined },
  ]; // prettier-ignore
  for (const value of bad)
    t.throws(
      () => decodeReservations(Buffer.from(JSON.stringify(value))),
      SavedReservationsError,
      JSON.stringify(value).slice(0, 60),
    );
  t.throws(() => decodeReservations(Buffer.from("{")), SavedReservationsError);
  t.throws(() => decodeReservations(Buffer.alloc(SAVED_RESERVATION_BYTES_MAX + 1)), SavedReservationsError);
  t.equal(decodeReservations(null), NO_RESERVATIONS);
});
