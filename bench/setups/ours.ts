/** `bin/aurochs up`: an engine and two replicas on loopback. */
import { mkdir, readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { Service } from "../child.js";
import type { NamedProcess } from "../load.js";
import { measureWithLoad, type Setup, type SetupKind } from "../setup.js";
import { freePort, waitFor } from "./wait.js";

const aurochs = fileURLToPath(new URL("../../../bin/aurochs", import.meta.url));

/** What `up` writes to its `--ready-file`. */
interface Ready {
  iscsi: string;
  engine: { pid: number };
  replicas: { pid: number }[];
}

async function readReady(file: string): Promise<Ready | undefined> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as Ready;
  } catch (error) {
    // Not there yet, or not yet whole.
    if (
      error instanceof SyntaxError ||
      (error instanceof Error && "code" in error && error.code === "ENOENT")
    ) {
      return undefined;
    }
    throw error;
  }
}

function processesOf(up: number, ready: Ready): NamedProcess[] {
  const named = [
    { name: "engine", pid: ready.engine.pid },
    ...ready.replicas.map(({ pid }, index) => ({ name: `replica-${index + 1}`, pid })),
    { name: "up", pid: up },
  ];
  // Whatever shares a process is counted once.
  return named.filter(({ pid }, index) => named.findIndex((other) => other.pid === pid) === index);
}

function ours(name: string, cache: "writeback" | "none"): SetupKind {
  return {
    name,
    label: `aurochs, 2 replicas, cache ${cache}`,
    spacePerByte: 2,
    canBeFresh: true,
    needs: [],
    async start({ directory, size }, signal): Promise<Setup> {
      await mkdir(directory, { recursive: true });
      const readyFile = `${directory}/ready.json`;
      const service = Service.start(aurochs, [
        ...["up", "--state-dir", `${directory}/state`, "--volume", "bench", "--size", String(size)],
        ...["--portal", `127.0.0.1:${await freePort()}`, "--replicas", "2", "--cache", cache],
        ...["--ready-file", readyFile, "--no-view"],
      ]);
      const stop = async (): Promise<void> => {
        await service.stop();
        await rm(directory, { recursive: true, force: true });
      };
      try {
        const ready = await waitFor("aurochs up", signal, async () => {
          service.assertRunning();
          return readReady(readyFile);
        });
        const access = { iscsi: ready.iscsi };
        const processes = processesOf(service.pid, ready);
        return {
          access,
          processes,
          measure: (request, abort) => measureWithLoad({ access, processes }, request, abort),
          stop,
        };
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

export const oursWriteback = ours("ours", "writeback");
export const oursNone = ours("ours-none", "none");
