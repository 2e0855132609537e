/** What libiscsi's suite skips (or fails by a fault of its own), and why. Any other skip or failure is an error. */

export interface ExpectedSkip {
  /** `Suite.Test`, or `Suite.*` for all of a suite */
  test: string;
  /** `failed`: the test contradicts the standard; absent: skipped */
  outcome?: "failed";
  /** the feature that is not offered, or the section of the standard that the test contradicts */
  reason: string;
}

export const expectedSkips: readonly ExpectedSkip[] = [
  {
    test: "ExtendedCopy.*",
    reason: "EXTENDED COPY is optional (SPC) and not offered: copies are the engine's own work",
  },
  { test: "ReceiveCopyResults.*", reason: "belongs to EXTENDED COPY, which is not offered" },
  {
    test: "Sanitize.*",
    reason: "SANITIZE is optional (SBC) and not offered: snapshots would keep what it claims to erase",
  },
  { test: "WriteAtomic16.*", reason: "WRITE ATOMIC is optional (SBC-4) and not offered" },
  { test: "PreventAllow.*", reason: "the medium is not removable" },
  { test: "StartStopUnit.Simple", reason: "the medium is not removable: there is nothing to eject" },
  { test: "ReadOnly.ReadOnlySBC", reason: "wants a unit that is write-protected from the start" },
  {
    test: "WriteSame10.ZeroBlocks",
    reason: "zero blocks (to the end of the medium) are refused, as WSNZ in the Block Limits page says",
  },
  { test: "WriteSame16.ZeroBlocks", reason: "as with WRITE SAME(10)" },
  {
    test: "ReportSupportedOpcodes.OneCommand",
    reason: "the suite takes the INVALID FIELD IN CDB that it asks for to mean that the command is not there",
  },
  {
    test: "GetLBAStatus.UnmapSingle",
    outcome: "failed",
    reason:
      "asks for the status from LBA i + 1 and wants the first descriptor to start at i + 8 (blocks per physical block); " +
      "SBC-4, LBA status descriptor relationships: the first one shall contain the LBA that the CDB specifies",
  },
];

export function expectedSkip(name: string): ExpectedSkip | undefined {
  const suite = name.slice(0, name.indexOf("."));
  return expectedSkips.find(({ test }) => test === name || test === `${suite}.*`);
}
