/** The machine that the driver runs on. */
import { hostCommands, SystemCommands, type Commands } from "./commands.js";
import { Crypt } from "./crypt.js";
import { Mounts } from "./mounts.js";

export interface Host {
  commands: Commands;
  mounts: Mounts;
  crypt: Crypt;
}

export function thisHost(): Host {
  const commands = new SystemCommands();
  return { commands, mounts: new Mounts(commands), crypt: new Crypt(commands, hostCommands()) };
}
