/** `aurochs volume`: volumes, made, used and removed. */
import { Argument, Option, type Command } from "commander";
import type { FieldsOf, Volume } from "../../rest-client/resources.js";
import { collect, parseCount, parseSize } from "../flags.js";
import {
  action,
  confirm,
  destructive,
  json,
  waiting,
  watched,
  type Call,
  type JsonFlag,
  type WaitFlags,
  type WatchFlags,
  type YesFlag,
} from "./call.js";
import { ManageError } from "./exit-codes.js";
import { forcedSalvageMeaning, salvageMeaning } from "./explain/lost.js";
import { REPLICAS_MAX } from "./limits.js";
import { attached, cloned, created, deleted, detached, expanded, healthy } from "./progress.js";
import { showList, showOne } from "./show.js";
import { ticketName, volumesText, volumeText } from "./volume-text.js";
import { finish, isRebuiltOffline, localityOption, need, type DoneFlags } from "./volume-call.js";
import { lastFailedStart, withStartTrouble } from "./start-trouble.js";
import { addVolumeUpdates } from "./volume-updates.js";
import { wait } from "./wait.js";
import { list, size } from "./words.js";

export function addVolumeCommands(volume: Command): void {
  watched(volume.command("list").description("all volumes")).action(
    action<WatchFlags>((call) =>
      showList(call, {
        collection: "volumes",
        value: (volumes) => volumes,
        text: (volumes) => volumesText(volumes, Date.now(), call.terminal.paint),
      }),
    ),
  );
  watched(volume.command("get").description("one volume, with its replicas"))
    .argument("<volume>")
    .action(
      action<WatchFlags, [string]>((call, name) =>
        showOne(call, {
          collection: "volumes",
          what: "volume",
          name,
          text: (one) => volumeText(one, Date.now(), call.terminal.paint),
        }),
      ),
    );
  addCreate(volume);
  addClone(volume);
  addDelete(volume);
  addAttach(volume);
  addDetach(volume);
  addExpand(volume);
  addSalvage(volume);
  addVolumeUpdates(volume);
  addRest(volume);
}

interface NewFlags {
  replicas?: number;
  nodeTag?: string[];
  diskTag?: string[];
  dataLocality?: string;
}

/** Of what a new volume is like. */
function newVolumeFlags(command: Command): Command {
  return command
    .option(
      "--replicas <count>",
      "copies (default: the setting default-replica-count)",
      parseCount(REPLICAS_MAX),
    )
    .addOption(localityOption())
    .option("--node-tag <tag>", "only on nodes that have it (repeatable)", collect(String))
    .option("--disk-tag <tag>", "only on disks that have it (repeatable)", collect(String));
}

function newFields({ replicas, nodeTag, diskTag, dataLocality }: NewFlags): Partial<FieldsOf<"volumes">> {
  return {
    numberOfReplicas: replicas ?? 0,
    nodeSelector: nodeTag ?? [],
    diskSelector: diskTag ?? [],
    ...(dataLocality === undefined ? {} : { dataLocality }),
  };
}

interface CreateFlags extends NewFlags, DoneFlags {
  size: number;
  frontend: string;
  accessMode: string;
  encrypted?: true;
}

function addCreate(volume: Command): void {
  const command = volume
    .command("create")
    .description("make a volume; nothing is attached yet")
    .argument("<name>", "lower-case letters, digits and -")
    .requiredOption("--size <size>", "10GiB, say", parseSize)
    .addOption(
      new Option("--frontend <kind>", "what it is used through")
        .choices(["blockdev", "iscsi"])
        .default("blockdev"),
    ) // prettier-ignore
    .addOption(
      new Option("--access-mode <mode>", "by one node, or by several").choices(["rwo", "rwx"]).default("rwo"),
    ) // prettier-ignore
    .option("--encrypted", "whoever attaches it encrypts it");
  waiting(json(newVolumeFlags(command))).action(
    action<CreateFlags, [string]>(async (call, name) => {
      const { flags, client } = call;
      const made = await client.create("volumes", {
        ...newFields(flags),
        name,
        size: String(flags.size),
        frontend: flags.frontend,
        accessMode: flags.accessMode,
        encrypted: flags.encrypted ?? false,
      });
      await finish(call, made, created(made.name), `${made.name} is being made: ${size(made.size)}`);
    }),
  );
}

function addClone(volume: Command): void {
  const command = volume
    .command("clone")
    .description("make a volume with the data of another one")
    .argument("<volume>", "the source")
    .argument("<name>", "of the new one")
    .option("--snapshot <snapshot>", "as the source was then (default: as it is now)");
  waiting(json(newVolumeFlags(command))).action(
    action<NewFlags & DoneFlags & { snapshot?: string }, [string, string]>(async (call, source, name) => {
      const { client, flags } = call;
      const from = await need(call, source);
      const made = await client.create("volumes", {
        ...newFields(flags),
        name,
        size: from.size,
        frontend: from.frontend,
        accessMode: from.accessMode,
        encrypted: from.encrypted,
        dataSource: flags.snapshot === undefined ? `vol://${source}` : `snap://${source}/${flags.snapshot}`,
      });
      await finish(call, made, cloned(made.name), `${made.name} is being copied from ${made.dataSource}`);
    }),
  );
}

function addDelete(volume: Command): void {
  const command = volume
    .command("delete")
    .description("remove volumes with all their data and snapshots")
    .argument("<volume...>");
  waiting(destructive(command)).action(
    action<YesFlag & WaitFlags, [string[]]>(async (call, names) => {
      const volumes = await Promise.all(names.map((name) => need(call, name)));
      const used = volumes.filter(({ state }) => state === "attached" || state === "attaching");
      const warning = used.length === 0 ? "" : ` In use: ${list(used.map(({ name }) => name))}.`;
      await confirm(call, `This removes all data and snapshots of ${list(names)}, for good.${warning}`);
      for (const name of names) {
        await call.client.delete("volumes", name);
        const text =
          call.flags.wait === true
            ? await wait(call, "volumes", name, deleted(name))
            : `${name} is being deleted`;
        call.terminal.out(`${text}\n`);
      }
    }),
  );
}

interface AttachFlags extends DoneFlags, YesFlag {
  disableFrontend?: true;
  id: string;
}

function addAttach(volume: Command): void {
  const command = volume
    .command("attach")
    .description("make a volume usable on a node; one that was asked for elsewhere is taken from there")
    .argument("<volume>")
    .argument("<node>")
    .option("--disable-frontend", "for maintenance: nobody can use it, and it can be reverted")
    .option("--id <id>", "of the wish, if there are to be several", "");
  waiting(json(destructive(command))).action(
    action<AttachFlags, [string, string]>(async (call, name, node) => {
      const { disableFrontend = false, id } = call.flags;
      const before = (await need(call, name)).volumeAttachment.attachments[id];
      if (before !== undefined) await confirmMove(call, name, before, { node, disableFrontend });
      const isWaiting = call.flags.wait === true;
      const failed = isWaiting ? await lastFailedStart(call.client, name) : null;
      const asked = await call.client.act("volumes", name, "attach", {
        hostId: node,
        attachmentID: id,
        disableFrontend,
        attachedBy: "aurochs",
      });
      if (!isWaiting) return finish(call, asked, null, `${name} is being attached to ${node}`);
      return withStartTrouble(call.client, name, failed, (trouble) =>
        finish(call, asked, attached(name, id, node, trouble), ""),
      );
    }),
  );
}

type Ticket = Volume["volumeAttachment"]["attachments"][string];

/** There is one wish of each id: one for another node, or frontend, takes the volume from where it is. */
async function confirmMove(
  call: Call<YesFlag>,
  name: string,
  { nodeID, parameters }: Ticket,
  wanted: { node: string; disableFrontend: boolean },
): Promise<void> {
  const wasDisabled = parameters["disableFrontend"] === "true";
  if (nodeID === wanted.node && wasDisabled === wanted.disableFrontend) return;
  const how = wasDisabled ? " with its frontend disabled" : "";
  await confirm(call, `${name} is asked for on ${nodeID}${how} already. It is detached there first: what is not flushed is lost. A wish beside that one has an --id of its own.`); // prettier-ignore
}

interface DetachFlags extends DoneFlags, YesFlag {
  id: string;
  force?: true;
}

function addDetach(volume: Command): void {
  const command = volume
    .command("detach")
    .description("take back what `attach` asked for; a volume that nobody wants is detached")
    .argument("<volume>")
    .option("--id <id>", "of the wish", "")
    .option("--force", "take back what others asked for as well");
  waiting(json(destructive(command))).action(
    action<DetachFlags, [string]>(async (call, name) => {
      const { id, force = false } = call.flags;
      const others = Object.values((await need(call, name)).volumeAttachment.attachments).filter(
        ({ attachmentID }) => attachmentID !== id,
      );
      if (force && others.length > 0)
        await confirm(call, `This takes ${name} from ${list(others.map((one) => `${ticketName(one)} on ${one.nodeID}`))}. What is not flushed there is lost.`); // prettier-ignore
      const asked = await call.client.act("volumes", name, "detach", {
        attachmentID: id,
        forceDetach: force,
      });
      const stays =
        force || others.length === 0
          ? ""
          : ` as far as this is concerned; ${list(others.map(ticketName))} still wants it`;
      await finish(call, asked, detached(name), `${name} is being detached${stays}`);
    }),
  );
}

function addExpand(volume: Command): void {
  const command = volume
    .command("expand")
    .description("make a volume larger, also while it is used; it cannot become smaller again")
    .argument("<volume>")
    .addArgument(new Argument("[size]", "all that it shall have").argParser(parseSize))
    .option("--cancel", "give up an expansion that does not succeed");
  waiting(json(command)).action(
    action<DoneFlags & { cancel?: true }, [string, number | undefined]>(async (call, name, given) => {
      if ((call.flags.cancel === true) === (given !== undefined))
        throw new ManageError("USAGE", "expand needs a size, or --cancel");
      if (given === undefined) {
        await finish(call, await call.client.act("volumes", name, "cancelExpansion", {}), null, `${name} stays as it is`); // prettier-ignore
        return;
      }
      const before = await need(call, name);
      const asked = await call.client.act("volumes", name, "expand", { size: String(given) });
      await finish(call, asked, expanded(name, before), `${name} is growing to ${size(asked.size)}`);
    }),
  );
}

function addSalvage(volume: Command): void {
  const command = volume
    .command("salvage")
    .description("count on failed replicas again, when all have failed; see first: aurochs explain")
    .argument("<volume>")
    .argument(
      "<replica...>",
      "the one that failed last has all that was written; an older one lacks what came after",
    )
    .option(
      "--force",
      "start from one replica alone, whether or not its engine can prove that it is current",
    );
  json(destructive(command)).action(
    action<JsonFlag & YesFlag & { force?: true }, [string, string[]]>(async (call, name, names) => {
      const { replicas } = await need(call, name);
      const force = call.flags.force === true;
      await confirm(call, force ? forcedSalvageMeaning(names) : salvageMeaning(replicas, names));
      const asked = await call.client.act("volumes", name, "salvage", force ? { names, force } : { names });
      const done = force ? `is had from ${list(names)} alone` : `is tried again with ${list(names)}`;
      await finish(call, asked, null, `${name} ${done} when it is attached`);
    }),
  );
}

function addRest(volume: Command): void {
  json(
    volume
      .command("trim")
      .description("give back what the file system on a volume does not use; ends when that is done"),
  )
    .argument("<volume>")
    .action(
      action<JsonFlag, [string]>(async (call, name) => {
        await finish(
          call,
          await call.client.act("volumes", name, "trimFilesystem", {}),
          null,
          `${name} is trimmed`,
        );
      }),
    );
  waiting(
    json(
      volume
        .command("wait")
        .description(
          "until a volume has all its copies, and they are current; when detached: none has failed",
        ),
    ),
  )
    .argument("<volume>")
    .action(
      action<DoneFlags, [string]>(async (call, name) => {
        await finish(
          { ...call, flags: { ...call.flags, wait: true } },
          await need(call, name),
          healthy(name, await isRebuiltOffline(call)),
          "",
        );
      }),
    );
}
