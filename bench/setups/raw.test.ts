import t from "tap";
import { sampleOfFio } from "./raw.js";

const idle = { iops: 0, bw_bytes: 0, total_ios: 0, lat_ns: { mean: 0, max: 0 } };

t.test("fio's two directions become one sample, with the worse quantiles", async (t) => {
  const quantiles = { "50.000000": 10_000, "99.000000": 20_000, "99.900000": 30_000 };
  const worse = { ...quantiles, "99.000000": 90_000 };
  const sample = sampleOfFio({
    read: {
      iops: 700,
      bw_bytes: 7e6,
      total_ios: 700,
      lat_ns: { mean: 10_000, max: 40_000, percentile: quantiles },
    },
    write: {
      iops: 300,
      bw_bytes: 3e6,
      total_ios: 300,
      lat_ns: { mean: 20_000, max: 95_000, percentile: worse },
    },
    usr_cpu: 10,
    sys_cpu: 15,
    job_runtime: 1000,
  });
  t.equal(sample.iops, 1000);
  t.equal(sample.megabytesPerSecond, 10);
  t.same(sample.latencyUs, { mean: 13, p50: 10, p99: 90, p999: 30, max: 95 });
  t.equal(sample.generatorCpuUs, 250);
});

t.test("a run in which fio did nothing is an error", async (t) => {
  t.throws(
    () => sampleOfFio({ read: idle, write: idle, usr_cpu: 0, sys_cpu: 0, job_runtime: 1 }),
    /did nothing/,
  );
});
