/** What instances that are gone have left behind, their logs and exit codes: those of the latest are kept. */
import { mkdir, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import { replaceFile } from "../../replica/durable-file.js";
import { Serial } from "../../replica/serial.js";
import { exitsDirectory } from "./exit-file.js";
import { EXIT_CODES_KEPT_MAX, LOGS_KEPT_MAX } from "./limits.js";
import { removeLog } from "./logs.js";
import { readStateFile } from "./state-file.js";

/** Of instances that are there. */
export interface Present {
  names: ReadonlySet<string>;
  uuids: ReadonlySet<string>;
}

export class Leftovers {
  readonly #turns = new Serial();

  private constructor(
    private readonly stateDirectory: string,
    /** of the latest that are gone, by their logs' names: the newest last */
    private logs: readonly string[],
    private readonly logOf: (name: string) => string,
    private readonly present: () => Present,
    private readonly log: Logger,
  ) {}

  /** @throws {Error} which logs there are cannot be read */
  static async open(
    stateDirectory: string,
    logOf: (name: string) => string,
    present: () => Present,
    log: Logger,
  ): Promise<Leftovers> {
    await mkdir(exitsDirectory(stateDirectory), { recursive: true, mode: 0o700 });
    const logs = (await readStateFile(fileIn(stateDirectory))) as string[] | null;
    return new Leftovers(stateDirectory, logs ?? [], logOf, present, log);
  }

  /** An instance is about to go. Resolves when what it leaves is sure to be found again. */
  note(name: string): Promise<void> {
    return this.#turns.run(async () => {
      try {
        const all = [...this.logs.filter((one) => one !== name), name];
        const oldest = all.slice(0, -LOGS_KEPT_MAX);
        // A name that is in use again is noted again at its end.
        for (const one of oldest) if (!this.present().names.has(one)) removeLog(this.logOf(one));
        this.logs = all.slice(-LOGS_KEPT_MAX);
        await replaceFile(fileIn(this.stateDirectory), JSON.stringify(this.logs));
        await this.#pruneExitCodes();
      } catch (err) {
        this.log.error({ err, instance: name }, "what instances have left could not be removed");
      }
    });
  }

  async #pruneExitCodes(): Promise<void> {
    const directory = exitsDirectory(this.stateDirectory);
    const files = await readdir(directory);
    const { uuids } = this.present();
    const gone = files.filter((file) => !uuids.has(decodeURIComponent(file)));
    if (gone.length <= EXIT_CODES_KEPT_MAX) return;
    const dated = await Promise.all(
      gone.map(async (file) => ({ file, at: (await stat(join(directory, file))).mtimeMs })),
    );
    const oldest = dated.sort((a, b) => b.at - a.at).slice(EXIT_CODES_KEPT_MAX);
    for (const { file } of oldest) await unlink(join(directory, file));
  }
}

function fileIn(stateDirectory: string): string {
  return join(stateDirectory, "logs-kept.json");
}
