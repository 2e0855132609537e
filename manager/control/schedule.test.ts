import t from "tap";
import { isDue, nextLook } from "./schedule.js";

const at = (time: string) => Date.parse(`2030-01-01T${time}Z`);
const HOURLY = "0 * * * *";

t.test("a job is due once for each time, and once for all that were missed", (t) => {
  t.equal(isDue(HOURLY, at("11:59:30"), at("11:59:59")), false);
  t.equal(isDue(HOURLY, at("11:59:30"), at("12:00:00")), true);
  t.equal(isDue(HOURLY, at("12:00:00"), at("12:00:30")), false, "it was due at the last look");
  t.equal(isDue(HOURLY, at("02:30:00"), at("12:30:00")), true, "the machine slept, or the clock was set");
  t.equal(isDue(HOURLY, at("12:30:00"), at("12:30:10")), false);
  t.end();
});

t.test("a clock that was set back makes nothing due by itself, and stops nothing for long", (t) => {
  t.equal(isDue(HOURLY, Date.parse("2040-01-01T00:00:00Z"), at("11:59:30")), false);
  t.equal(isDue(HOURLY, at("11:59:30"), at("12:00:10")), true);
  t.equal(nextLook("0 0 1 1 *", at("11:00:00")), at("11:01:00"), "within a minute it is noticed");
  t.end();
});

t.test("the clock is looked at when a job is due, and a job that never is does no harm", (t) => {
  t.equal(nextLook(HOURLY, at("11:59:50")), at("12:00:00"));
  t.equal(isDue("0 0 31 2 *", 0, at("12:00:00")), false);
  t.equal(nextLook("0 0 31 2 *", at("12:00:00")), at("12:01:00"));
  t.end();
});
