/** Encrypted volumes: LUKS2 by cryptsetup, on top of the volume's device. */
import { readdir, readFile } from "node:fs/promises";
import { invalid, refused } from "../errors.js";
import { CRYPT_TIMEOUT_MS } from "../limits.js";
import type { Commands } from "./commands.js";
import { contentOf, removeMark, setMark } from "./content.js";
import { numberOf } from "./device.js";

const LUKS = "crypto_LUKS";

export interface CryptKey {
  passphrase: string;
  cipher: string;
  hash: string;
  bits: string;
  pbkdf: string;
}

/** @param secrets of Kubernetes
 * @throws {RpcError} INVALID_ARGUMENT: there is no pass phrase; no secret is in its text */
export function cryptKeyOf(secrets: Readonly<Record<string, string>>): CryptKey {
  const passphrase = secrets["CRYPTO_KEY_VALUE"] ?? "";
  if (passphrase === "") throw invalid("the volume is encrypted: the secret lacks CRYPTO_KEY_VALUE, its pass phrase"); // prettier-ignore
  if (!["", "secret"].includes(secrets["CRYPTO_KEY_PROVIDER"] ?? ""))
    throw invalid('CRYPTO_KEY_PROVIDER is not "secret", which is the only one');
  const word = (name: string, otherwise: string) => {
    const text = secrets[name] || otherwise;
    if (!/^[A-Za-z0-9][\w:-]{0,63}$/.test(text)) throw invalid(`${name} is no name of a cipher, a hash or the like`); // prettier-ignore
    return text;
  };
  return {
    passphrase,
    cipher: word("CRYPTO_KEY_CIPHER", "aes-xts-plain64"),
    hash: word("CRYPTO_KEY_HASH", "sha256"),
    bits: word("CRYPTO_KEY_SIZE", "256"),
    pbkdf: word("CRYPTO_PBKDF", "argon2i"),
  };
}

export class Crypt {
  /** @param host where cryptsetup runs; the others run here */
  constructor(
    private readonly commands: Commands,
    private readonly host: Commands,
  ) {}

  pathOf(volume: string): string {
    return `/dev/mapper/${volume}`;
  }

  /** Whether it is open, on this device and no other. */
  async isOpen(device: string, volume: string): Promise<boolean> {
    const number = await numberOf(device);
    return number !== null && (await slavesOf(this.pathOf(volume))).includes(number);
  }

  /** Formats a device that holds nothing, and opens it. What stands on a device that is gone is closed first; what is in use
   * stays open. What is in clear of a fresh one is noise: for a file system it is marked as holding nothing.
   * @param isForFileSystem otherwise it is the user's at once
   * @throws {RpcError} FAILED_PRECONDITION: the device holds something else */
  async open(device: string, volume: string, key: CryptKey, isForFileSystem: boolean): Promise<void> {
    if (await this.isOpen(device, volume)) {
      // It may be fresh, which only shows while it is closed; one that is in use is not.
      const isClosed = await this.close(volume).then(
        () => true,
        () => false,
      );
      if (!isClosed) return;
    } else await this.close(volume);
    const { type, isMarked } = await contentOf(this.commands, device, volume);
    if (type !== null && type !== LUKS)
      throw refused(`${device} holds ${type}, not encrypted: it is not formatted`);
    if (type === null) {
      await setMark(device, volume);
      await this.#cryptsetup(formatArguments(device, key), key.passphrase);
    }
    const isFresh = type === null || isMarked;
    if (isFresh && !isForFileSystem) await removeMark(device, volume);
    await this.#cryptsetup(["open", "--type", "luks2", "--key-file", "-", device, volume], key.passphrase);
    // In the block of the device's mark, which is gone with this: the header lies at the other end.
    if (isFresh && isForFileSystem) await setMark(this.pathOf(volume), volume);
  }

  /** One that is not open is no error.
   * @throws {CommandError} it is in use, and its device is there */
  async close(volume: string): Promise<void> {
    const path = this.pathOf(volume);
    const number = await numberOf(path);
    if (number === null) return;
    // One of that name may be somebody else's, of LVM for example.
    const uuid = await readFile(`/sys/dev/block/${number}/dm/uuid`, "latin1").catch(() => "");
    if (!uuid.startsWith("CRYPT-")) return;
    const isLost = (await slavesOf(path)).length === 0;
    await this.#cryptsetup(["close", ...(isLost ? ["--deferred"] : []), volume]);
  }

  /** Makes it as large as its device, which may be so already. */
  async grow(volume: string, key: CryptKey): Promise<void> {
    await this.#cryptsetup(["resize", "--key-file", "-", volume], key.passphrase);
  }

  async #cryptsetup(args: readonly string[], passphrase?: string): Promise<void> {
    const input = passphrase === undefined ? {} : { input: passphrase };
    await this.host.run("cryptsetup", args, { timeoutMs: CRYPT_TIMEOUT_MS, ...input });
  }
}

function formatArguments(device: string, { cipher, hash, bits, pbkdf }: CryptKey): string[] {
  const how = ["--cipher", cipher, "--hash", hash, "--key-size", bits, "--pbkdf", pbkdf];
  return ["luksFormat", "--batch-mode", "--type", "luks2", ...how, "--key-file", "-", device];
}

/** Devices that a mapper stands on, `MAJOR:MINOR`. */
async function slavesOf(path: string): Promise<string[]> {
  const number = await numberOf(path);
  if (number === null) return [];
  const folder = `/sys/dev/block/${number}/slaves`;
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map(async (name) => (await readFile(`${folder}/${name}/dev`, "latin1")).trim()));
}
