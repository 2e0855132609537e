/** What libiscsi's suite may skip, and why. Everything else that is skipped, and everything that fails, is an error. */

export interface ExpectedSkip {
  /** `Suite.Test`, or `Suite.*` for all of a suite */
  test: string;
  /** the feature that is not offered, or the section of the standard that the test contradicts */
  reason: string;
}

export const expectedSkips: readonly ExpectedSkip[] = [
  {
    test: "ExtendedCopy.*",
    reason: "EXTENDED COPY is optional (SPC) and not offered: copies are the engine's own work",
  },
  { test: "ReceiveCopyResults.*", reason: "belongs to EXTENDED COPY, which is not offered" },
  { test: "ReadDefectData10.*", reason: "optional (SBC); there is no defect list to tell of" },
  { test: "ReadDefectData12.*", reason: "optional (SBC); there is no defect list to tell of" },
  {
    test: "Sanitize.*",
    reason: "SANITIZE is optional (SBC) and not offered: snapshots would keep what it claims to erase",
  },
  { test: "WriteAtomic16.*", reason: "WRITE ATOMIC is optional (SBC-4) and not offered" },
];

export function skipReason(name: string): string | undefined {
  const suite = name.slice(0, name.indexOf("."));
  return expectedSkips.find(({ test }) => test === name || test === `${suite}.*`)?.reason;
}
