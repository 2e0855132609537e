import { pino } from "pino";
import t from "tap";
import type { AttachedVolume } from "../attached-volume.js";
import { holdAndRelease } from "./give.js";

function giver(differing: number) {
  const events: string[] = [];
  const note = (event: string) => () => Promise.resolve(void events.push(event));
  const attached = {
    hold: note("hold"),
    release: note("release"),
    volume: { stats: () => ({ differing }), resume: note("resume") },
    replicas: { generation: 7 },
  } as unknown as AttachedVolume;
  const offered = {
    suspend: () => Promise.resolve(Buffer.from("unit")),
    resume: () => void events.push("go on"),
  };
  return { events, given: holdAndRelease(attached, offered, pino({ level: "silent" })) };
}

void t.test("a volume is given away when nothing is under way any more", async (t) => {
  const { events, given } = giver(0);
  t.strictSame(await given, { unit: Buffer.from("unit"), generation: 7 });
  t.strictSame(events, ["hold", "release"]);
});

void t.test("a volume whose copies differ is kept: only its engine knows where", async (t) => {
  const { events, given } = giver(4096);
  await t.rejects(given, { message: /made equal after a write that failed: try again later/ });
  t.strictSame(events, ["hold", "resume", "go on"]);
});
