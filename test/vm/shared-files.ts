/** Programs of this machine on the guest's kernel: they see this machine's files, read-only, with the guest's devices and mounts. */
import { sleep } from "../tools/process.js";
import type { Guest } from "./guest.js";

const ROOT = "/host";
/** The guest's own root, in there. */
const OWN = "/mnt";
const POLL_MS = 500;

export class SharedFiles {
  #runs = 0;

  private constructor(private readonly guest: Guest) {}

  static async mount(guest: Guest): Promise<SharedFiles> {
    await guest.run(
      [
        `mkdir ${ROOT} && mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 host ${ROOT}`,
        `mount --rbind /dev ${ROOT}/dev && mount --rbind /sys ${ROOT}/sys && mount -t proc proc ${ROOT}/proc`,
        `mount -t tmpfs tmp ${ROOT}/tmp && mount -t tmpfs run ${ROOT}/run && mount --rbind / ${ROOT}${OWN}`,
        // Those that this machine need not have.
        `mkdir ${ROOT}/tmp/bin`,
        ...["cryptsetup", "iscsiadm"].map(
          (name) =>
            `printf '#!/bin/sh\\nLD_LIBRARY_PATH=/lib exec chroot ${OWN} /tools/${name} "$@"\\n' >${ROOT}/tmp/bin/${name} && chmod 755 ${ROOT}/tmp/bin/${name}`,
        ),
      ].join(" && "),
    );
    return new SharedFiles(guest);
  }

  /** One shell line, in this project's folder. */
  run(command: string, timeoutMs?: number): Promise<string> {
    return this.guest.run(this.#inside(command), timeoutMs);
  }

  /** One that takes long: others are run meanwhile.
   * @returns its exit code, and what it said */
  async runLong(command: string, timeoutMs: number): Promise<{ exitCode: number; output: string }> {
    const log = `/tmp/long-${(this.#runs += 1)}`;
    await this.start(`${command}; echo $? >${log}.code`, log);
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const { exitCode, output } = await this.guest.attempt(`cat ${ROOT}${log}.code`, 10_000);
      if (exitCode === 0)
        return { exitCode: Number(output), output: await this.guest.run(`cat ${ROOT}${log}`) };
      if (Date.now() > deadline)
        throw new Error(`${command} takes too long:\n${await this.guest.run(`tail -n 50 ${ROOT}${log}`)}`);
      await sleep(POLL_MS);
    }
  }

  /** One that goes on. @param log where its output is, in there */
  async start(command: string, log: string): Promise<void> {
    await this.guest.run(`(${this.#inside(command)}) >${ROOT}${log} 2>&1 </dev/null &`);
  }

  #inside(command: string): string {
    const path = "/tmp/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const quoted = `cd ${process.cwd()} && ${command}`.replaceAll("'", `'\\''`);
    return `chroot ${ROOT} /usr/bin/env -u LD_LIBRARY_PATH PATH=${path} sh -c '${quoted}'`;
  }
}
