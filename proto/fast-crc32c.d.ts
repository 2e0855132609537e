declare module "fast-crc32c" {
  /** CRC32C of `data`; `initial` continues an earlier result. */
  export function calculate(data: Buffer | string, initial?: number): number;
}
