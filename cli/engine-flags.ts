/** The flags of an engine that `aurochs engine` and `aurochs up` share, and what they mean. */
import { Option, type Command } from "commander";
import { REPLICA_TIMEOUT_MS } from "../engine/limits.js";
import type { EngineOptions } from "../engine/options.js";
import { checkChapOptions, type ChapOptions } from "../engine/target/chap.js";
import {
  collect,
  parseInitiator,
  parsePath,
  parseReplicaId,
  parseSeconds,
  parseSecretFile,
} from "./flags.js";

export interface EngineFlags {
  blockSize: string;
  chapUser?: string;
  chapSecretFile?: string;
  mutualChapUser?: string;
  mutualChapSecretFile?: string;
  allowInitiator?: string[];
  replicaTimeout: number;
  salvage?: string;
  acceptLostWrites?: true;
  bootIdFile?: string;
}

export function addEngineFlags(command: Command): Command {
  return command
    .addOption(
      new Option("--block-size <bytes>", "logical block size").choices(["512", "4096"]).default("512"),
    )
    .option("--chap-user <name>", "initiators have to prove this name with CHAP")
    .option("--chap-secret-file <file>", "file that holds their secret, 12 bytes or more", parsePath)
    .option("--mutual-chap-user <name>", "the name that the target proves when asked")
    .option("--mutual-chap-secret-file <file>", "file that holds the target's secret", parsePath)
    .option("--allow-initiator <iqn>", "only this initiator may log in (repeatable)", collect(parseInitiator))
    .addOption(
      new Option("--replica-timeout <seconds>", "how long a replica may leave an operation unanswered")
        .argParser(parseSeconds)
        .default(REPLICA_TIMEOUT_MS, String(REPLICA_TIMEOUT_MS / 1_000)),
    )
    .option(
      "--salvage <replica-id>",
      "start from this replica alone, without proof that it is the newest",
      parseReplicaId,
    )
    .option("--accept-lost-writes", "serve although acknowledged writes may be lost")
    .option("--boot-id-file <file>", "file that names the machine's boot, where /proc does not", parsePath);
}

type Policy = Pick<
  EngineOptions,
  | "logicalBlockSize"
  | "chap"
  | "allowedInitiators"
  | "replicaTimeoutMs"
  | "salvage"
  | "acceptLostWrites"
  | "bootIdFile"
>;

/** @param command whose `error` ends the process when flags do not fit together */
export function policyOf(flags: EngineFlags, command: Command): Policy {
  return {
    logicalBlockSize: flags.blockSize === "4096" ? 4096 : 512,
    chap: chapOf(flags, command),
    allowedInitiators: flags.allowInitiator ?? null,
    replicaTimeoutMs: flags.replicaTimeout,
    salvage: flags.salvage ?? null,
    acceptLostWrites: flags.acceptLostWrites ?? false,
    bootIdFile: flags.bootIdFile ?? null,
  };
}

function chapOf(flags: EngineFlags, command: Command): ChapOptions | null {
  const initiator = credentials(flags.chapUser, flags.chapSecretFile, "--chap", command);
  const target = credentials(flags.mutualChapUser, flags.mutualChapSecretFile, "--mutual-chap", command);
  if (initiator === null) {
    if (target !== null)
      command.error("error: --mutual-chap-user needs --chap-user: the target answers only whom it asks");
    return null;
  }
  const chap: ChapOptions = target === null ? { initiator } : { initiator, target };
  try {
    checkChapOptions(chap);
  } catch (error) {
    command.error(`error: --chap-secret-file: ${(error as Error).message}`);
  }
  return chap;
}

function credentials(name: string | undefined, file: string | undefined, flag: string, command: Command) {
  if (name === undefined && file === undefined) return null;
  if (name === undefined || file === undefined) {
    return command.error(`error: ${flag}-user and ${flag}-secret-file go together`);
  }
  try {
    return { name, secret: parseSecretFile(file) };
  } catch (error) {
    return command.error(`error: ${flag}-secret-file: ${(error as Error).message}`);
  }
}

/** The same flags as arguments of a child. */
export function engineArguments(flags: EngineFlags, first: boolean): string[] {
  const pairs: [string, string | undefined][] = [
    ["--block-size", flags.blockSize],
    ["--chap-user", flags.chapUser],
    ["--chap-secret-file", flags.chapSecretFile],
    ["--mutual-chap-user", flags.mutualChapUser],
    ["--mutual-chap-secret-file", flags.mutualChapSecretFile],
    ["--replica-timeout", String(flags.replicaTimeout / 1_000)],
    ["--boot-id-file", flags.bootIdFile],
    ...(flags.allowInitiator ?? []).map((name): [string, string] => ["--allow-initiator", name]),
    // An act of the operator on what is there now, not on what may be there after a restart.
    ["--salvage", first ? flags.salvage : undefined],
  ];
  const accept = first && flags.acceptLostWrites === true ? ["--accept-lost-writes"] : [];
  return [...pairs.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value])), ...accept];
}
