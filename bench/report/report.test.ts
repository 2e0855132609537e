import t from "tap";
import { parseOptions, type Options } from "../options.js";
import type { Measurements } from "../rounds.js";
import type { Sample } from "../setup.js";
import { renderMarkdown } from "./markdown.js";
import { buildReport, missedFloors, type Report } from "./report.js";
import { escapeXml, renderSvg } from "./svg.js";
import { renderTable } from "./table.js";

function sample(iops: number, cpuUs: Record<string, number>): Sample {
  return {
    iops,
    megabytesPerSecond: (iops * 4096) / 1e6,
    latencyUs: { mean: 1, p50: 2, p99: 3, p999: 4, max: 5 },
    cpuUs,
    generatorCpuUs: 1,
    otherCores: 0.25,
  };
}

/** Three rounds of two patterns: ours against tgtd, with a hostile name for the output formats. */
function report(oursIops: readonly [number, number, number], engineUs = 10): Report {
  const options = parseOptions([
    ...["--target", "ours", "--target", "tgtd"],
    ...["--pattern", "randwrite-4k-d32", "--pattern", "seqread-1m-d8"],
  ]) as Options;
  const measurements: Measurements = {
    samples: {
      ours: {
        "randwrite-4k-d32": oursIops.map((iops) => sample(iops, { engine: engineUs, "replica-1": 5 })),
        "seqread-1m-d8": oursIops.map((iops) => sample(iops, { engine: engineUs, "replica-1": 5 })),
      },
      tgtd: {
        "randwrite-4k-d32": [1000, 500, 1000].map((iops) => sample(iops, { tgtd: 20 })),
        "seqread-1m-d8": [1000, 500, 1000].map((iops) => sample(iops, { tgtd: 20 })),
      },
    },
    memory: { ours: { idle: { engine: 2 ** 20 }, loaded: { engine: 3 * 2 ** 20 } } },
  };
  const built = buildReport(options, measurements);
  built.machine.model = `<CPU> & "friends"`;
  return built;
}

t.test("a report holds medians, spreads and paired ratios", async (t) => {
  const [row] = report([2000, 900, 2200]).rows;
  const [ours, tgtd] = row?.cells ?? [];
  t.same(ours?.iops, { median: 2000, min: 900, max: 2200 });
  t.same(ours?.ratio, { median: 2, min: 1.8, max: 2.2 });
  t.same(ours?.cpuUsTotal, { median: 15, min: 15, max: 15 });
  t.equal(tgtd?.ratio, undefined);
});

t.test("floors that are missed are named, also the one for CPU time", async (t) => {
  t.same(missedFloors(report([2000, 1000, 2000])), []);
  t.same(missedFloors(report([1200, 600, 1200])), [
    "randwrite-4k-d32: 1.20 times tgtd, at least 1.3 is asked",
  ]);
  t.same(missedFloors(report([2000, 1000, 2000], 16)), [
    "randwrite-4k-d32: 21.0 us of CPU per operation, tgtd takes 20.0",
  ]);
});

t.test("the table shows targets, ratios, processes and memory", async (t) => {
  const table = renderTable(report([2000, 900, 2200]));
  t.match(table, "4 KiB random write, depth 32 (floor 1.3)");
  t.match(table, "2.00 (1.80-2.20)");
  t.match(table, "engine 10.0, replica-1 5.00");
  t.match(table, /ours engine\s+1\.0\s+3\.0/);
  t.notMatch(table, /undefined|NaN/);
});

t.test("every line of the Markdown table has as many columns as its header", async (t) => {
  const lines = renderMarkdown(report([2000, 900, 2200]))
    .trimEnd()
    .split("\n");
  t.equal(lines.length, 4);
  t.equal(new Set(lines.map((line) => line.split("|").length)).size, 1);
  t.notMatch(lines.join(), /undefined|NaN/);
});

/** Enough of XML for what we write: tags nest, text holds no markup, attributes are quoted. */
function assertWellFormed(xml: string): string[] {
  const open: string[] = [];
  const names: string[] = [];
  const tag = /<(\/?)([a-z][\w-]*)((?:\s+[\w:-]+="[^"<&]*")*)\s*(\/?)>/g;
  let rest = 0;
  for (const match of xml.matchAll(tag)) {
    const between = xml.slice(rest, match.index);
    if (/[<>]|&(?!#\d+;)/.test(between)) throw new Error(`markup in text: ${between}`);
    rest = match.index + match[0].length;
    const [, closing, name = "", , empty] = match;
    names.push(name);
    if (closing === "/") {
      if (open.pop() !== name) throw new Error(`</${name}> closes something else`);
    } else if (empty !== "/") {
      open.push(name);
    }
  }
  if (open.length > 0 || /[<>]/.test(xml.slice(rest))) throw new Error("tags are left open");
  return names;
}

t.test("the plot is well-formed XML with a bar for each ratio, whatever names hold", async (t) => {
  const svg = renderSvg(report([2000, 900, 2200]));
  const names = assertWellFormed(svg);
  t.equal(names[0], "svg");
  t.equal(names.filter((name) => name === "rect").length, 1 + 1 + 2, "background, legend, two bars");
  t.match(svg, "2.00 x");
  t.notMatch(svg, /NaN|undefined|Infinity/);
  t.equal(escapeXml(`<&>"'`), "&#60;&#38;&#62;&#34;&#39;");
});

t.test("a plot needs something to compare with", async (t) => {
  t.throws(() => renderSvg({ ...report([1, 1, 1]), peer: undefined }), RangeError);
});
