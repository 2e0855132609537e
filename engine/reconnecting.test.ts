import t from "tap";
import { setTimeout as sleep } from "node:timers/promises";
import type { ReplicaFacts } from "../proto/control.js";
import { Dropping } from "./dropping.js";
import { Reconnecting } from "./reconnecting.js";
import { NOTHING_STORED } from "./record-keeper.js";
import type { ReplicaLink } from "./replica-link.js";
import { newSlot } from "./slot.js";
import { rosterOf } from "./testing/roster.js";

const SIZE = 1 << 20;

t.test("what a copy had no space for before its stream ended does not count once it is back", async (t) => {
  const facts = {
    ...{
      volume: "v",
      replicaId: "A",
      lostWrites: false,
      opening: "",
      dataPort: 1,
      dataSocket: "",
      size: SIZE,
    },
    record: { generation: 1, engineId: "e" },
  } as unknown as ReplicaFacts;
  const link = { identify: () => Promise.resolve(facts) } as unknown as ReplicaLink;
  const known = { index: 0, address: "127.0.0.1:1", replicaId: "A", link, facts, readable: true };
  const slot = newSlot({ ...known, state: { mode: "RW" }, stored: NOTHING_STORED });
  const roster = rosterOf([slot], ["A"], { connect: () => Promise.resolve({ size: SIZE }) });
  t.teardown(() => roster.stop());
  slot.noSpace.push({ offset: 0, length: 4096 });
  new Reconnecting(roster, new Dropping(roster)).begin(slot, "reset");
  t.equal(slot.state.mode, "AWAY");
  await sleep(20);
  t.equal(slot.state.mode, "RW");
  t.strictSame(slot.noSpace, []);
});
