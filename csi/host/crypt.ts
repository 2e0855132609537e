/** Encrypted volumes: LUKS2 by cryptsetup, on top of the volume's device. */
import { invalid, notNow, refused } from "../errors.js";
import { CRYPT_TIMEOUT_MS, UNMOUNT_TIMEOUT_MS } from "../limits.js";
import { CommandError, type Commands } from "./commands.js";
import { contentOf, removeMark, setMark } from "./content.js";
import { kernelDevices, type Devices } from "./mappings.js";

const LUKS = "crypto_LUKS";

/** What cryptsetup exits with when somebody has it open: cryptsetup(8), return codes. */
const BUSY = 5;

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

/** What has the volume's name among the mappings: the volume in clear; one whose device is gone; or what somebody else, LVM or
 * the machine's own, has put there. */
type State = "closed" | "open" | "lost" | "foreign";

export class Crypt {
  /** @param host where cryptsetup runs; the others run here */
  constructor(
    private readonly commands: Commands,
    private readonly host: Commands,
    private readonly devices: Devices = kernelDevices,
  ) {}

  pathOf(volume: string): string {
    return `/dev/mapper/${volume}`;
  }

  /** Whether it is open, on this device and no other. */
  async isOpen(device: string, volume: string): Promise<boolean> {
    return (await this.#stateOf(device, volume)) === "open";
  }

  /** @returns the path of the volume in clear
   * @throws {RpcError} FAILED_PRECONDITION: it is not open on this device */
  async inClear(device: string, volume: string): Promise<string> {
    if (await this.isOpen(device, volume)) return this.pathOf(volume);
    throw refused(`volume ${volume} is encrypted, and ${this.pathOf(volume)} is no mapping of ${device}: nothing of it is changed`); // prettier-ignore
  }

  async #stateOf(device: string, volume: string): Promise<State> {
    const mapping = await this.devices.mappingAt(this.pathOf(volume));
    if (mapping === null) return "closed";
    if (!mapping.uuid.startsWith("CRYPT-")) return "foreign";
    if (mapping.slaves.length === 0) return "lost";
    const number = await this.devices.numberOf(device);
    return number !== null && mapping.slaves.includes(number) ? "open" : "foreign";
  }

  /** Formats a device that holds nothing, and opens it. What stands on a device that is gone is closed first; what is in use
   * stays open. What is in clear of a fresh one is noise: for a file system it is marked as holding nothing.
   * @throws {RpcError} FAILED_PRECONDITION: the device holds something else, or its name is taken; ABORTED: the name is still in use */
  async open(device: string, volume: string, key: CryptKey, isForFileSystem: boolean): Promise<void> {
    switch (await this.#stateOf(device, volume)) {
      case "open": {
        // It may be fresh, which only shows while it is closed; one that is in use is not.
        const isClosed = await this.#cryptsetup(["close", volume]).then(
          () => true,
          () => false,
        );
        if (isClosed) break;
        // Or it would go when those go who have kept it open.
        await this.#cryptsetup(["close", "--cancel-deferred", volume]);
        return;
      }
      case "lost":
        await this.close(device, volume);
        if ((await this.#stateOf(device, volume)) !== "closed")
          throw notNow(`${this.pathOf(volume)} is still in use, of a device that is gone`);
        break;
      case "foreign":
        throw refused(`${this.pathOf(volume)} is no mapping of ${device}: it is left alone, and volume ${volume} needs the name. Close it, or give it another one`); // prettier-ignore
      case "closed":
    }
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

  /** Closes what is the volume's. Whoever still has it open may have a mount of which nobody here knows, as a container that was
   * started meanwhile: all is written then, and it goes with its last user. One that is not open is no error.
   * @throws {CommandError} */
  async close(device: string, volume: string): Promise<void> {
    const state = await this.#stateOf(device, volume);
    if (state === "closed" || state === "foreign") return;
    if (state === "open") {
      try {
        await this.#cryptsetup(["close", volume]);
        return;
      } catch (error) {
        if (!(error instanceof CommandError) || error.exitCode !== BUSY) throw error;
      }
      await this.commands.run("sync", [this.pathOf(volume)], { timeoutMs: UNMOUNT_TIMEOUT_MS });
    }
    await this.#cryptsetup(["close", "--deferred", volume]);
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
