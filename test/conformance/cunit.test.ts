import t from "tap";
import { parseList, parseResults } from "./cunit.js";

const output = `
Suite: ReportSupportedOpcodes
  Test: Simple ...passed
  Test: OneCommand ...    [SKIPPED] REPORT_SUPPORTED_OPCODES is not implemented.
passed
  Test: RCTD ...    [WARNING] odd
passed    [FAILED] logged after the verdict, by the clean-up of another command
Suite: OrWrite
  Test: Simple ...    [FAILED] ORWRITE command failed
FAILED
    1. test_orwrite_simple.c:54  - CU_ASSERT_EQUAL(_r,0)
  Test: Verify ...

Run Summary:    Type  Total    Ran Passed Failed Inactive
              suites      1      1    n/a      0        0
`;

t.test("tells passed, failed and skipped apart; a test without verdict has crashed", async (t) => {
  t.same(
    parseResults(output).map(({ name, outcome }) => [name, outcome]),
    [
      ["ReportSupportedOpcodes.Simple", "passed"],
      ["ReportSupportedOpcodes.OneCommand", "skipped"],
      ["ReportSupportedOpcodes.RCTD", "passed"],
      ["OrWrite.Simple", "failed"],
      ["OrWrite.Verify", "failed"],
    ],
  );
  t.match(parseResults(output)[1]?.detail, "REPORT_SUPPORTED_OPCODES is not implemented");
});

t.test("lists every test once, without families and suites", async (t) => {
  t.same(parseList("ALL\nALL.Read10\nALL.Read10.Simple\nSCSI.Read10.Simple\nLINUX\n"), ["Read10.Simple"]);
});
