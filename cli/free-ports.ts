/** Ports on the loopback address that nobody listens on. */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

const HOST = "127.0.0.1";
const ATTEMPTS_MAX = 100;

/** Below the ports that Linux gives to outgoing connections: one of those must not take a port before its replica does. */
const PORT_MIN = 10_000;
const PORT_MAX = 32_767;

/** That were found before: who is to listen there may not do so yet, or may have ended for a while. */
const given = new Set<number>();

/** @param preferred first ports of runs, taken where still free
 * @param count runs that are needed
 * @param run successive ports in each
 * @returns the first port of each run */
export async function freePorts(preferred: number[], count: number, run: number): Promise<number[]> {
  const held: Server[] = [];
  const firsts: number[] = [];
  try {
    for (let index = 0; index < count; index++) {
      const { first, servers } = await freeRun(preferred[index] ?? 0, run);
      held.push(...servers);
      firsts.push(first);
    }
    return firsts;
  } finally {
    await Promise.all(held.map(close));
  }
}

async function freeRun(preferred: number, run: number): Promise<{ first: number; servers: Server[] }> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const servers: Server[] = [];
    try {
      const first = attempt === 0 && preferred > 0 ? preferred : randomInt(PORT_MIN, PORT_MAX - run);
      const ports = Array.from({ length: run }, (_, offset) => first + offset);
      if (first !== preferred && ports.some((port) => given.has(port))) continue;
      for (const port of ports) servers.push(await listen(port));
      for (const port of ports) given.add(port);
      return { first, servers };
    } catch {
      await Promise.all(servers.map(close));
    }
  }
  throw new Error(`no ${run} successive free ports found on ${HOST}`);
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject).listen(port, HOST, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
