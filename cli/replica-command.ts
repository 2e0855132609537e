/** `aurochs replica`: one daemon for one or several replica directories. */
import { Option, type Command } from "commander";
import type { HostPort } from "../engine/host-port.js";
import { parseAddress, parsePath, parseReplicaId, parseSize, parseVolumeName } from "./flags.js";

/** Ports from one directory's control port to the next one's: what Longhorn gives each replica. */
const PORTS_PER_REPLICA = 10;

interface ReplicaFlags {
  listen: HostPort;
  size?: number;
  volume?: string;
  replicaId?: string;
  cache: "writeback" | "none";
  bootIdFile?: string;
  backingFile?: string;
}

export function addReplicaCommand(program: Command): void {
  program
    .command("replica")
    .summary("serve replica directories; list and remove: copies of the storage system's volumes")
    .description("serve replica directories: control on PORT, data on PORT+1")
    .argument("<directory...>", `the n-th one listens ${PORTS_PER_REPLICA} ports after the one before`)
    .requiredOption("--listen <host:port>", "control address of the first directory", parseAddress)
    .option("--size <size>", "create the volume in an empty directory; must match otherwise", parseSize)
    .option(
      "--volume <name>",
      "the volume that the directory belongs to; needed for a new one",
      parseVolumeName,
    )
    .option(
      "--replica-id <id>",
      "the replica's id; chosen when the directory is new and none is given",
      parseReplicaId,
    )
    .addOption(
      new Option("--cache <mode>", "page cache with honest flush, or O_DIRECT")
        .choices(["writeback", "none"])
        .default("writeback"),
    )
    .option("--backing-file <file>", "read-only base image, raw or qcow2", parsePath)
    .option("--boot-id-file <file>", "file that names the machine's boot, where /proc does not", parsePath)
    .action(async (directories: string[], flags: ReplicaFlags, command: Command) => {
      if (directories.length > 1 && flags.replicaId !== undefined) {
        command.error("error: --replica-id can be given for one directory only");
      }
      if (directories.length > 1 && flags.listen.port === 0) {
        command.error("error: --listen needs a port when there are several directories");
      }
      const { serveReplicas } = await import("./replica.js");
      process.exitCode = await serveReplicas(
        directories.map((directory, index) => ({
          directory: parsePath(directory),
          host: flags.listen.host,
          port: flags.listen.port + index * PORTS_PER_REPLICA,
          size: flags.size ?? null,
          volume: flags.volume ?? null,
          replicaId: flags.replicaId ?? null,
          cache: flags.cache,
          backingFile: flags.backingFile ?? null,
          bootIdFile: flags.bootIdFile ?? null,
        })),
      );
    })
    .addHelpText(
      "after",
      "\nExample:\n  aurochs replica /data/vol-r1 --listen 10.0.0.5:10000 --volume vol --size 20GiB\n\n" +
        "Replicas of the storage system, with exit codes: aurochs replica list --help, aurochs replica remove --help.",
    );
}
