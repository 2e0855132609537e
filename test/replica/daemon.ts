/** A replica daemon as a process of its own: options as JSON in the first argument, its replicas as JSON on stdout. */
import { pino } from "pino";
import { runReplica, type ReplicaOptions } from "../../replica/main.js";

const log = pino({ level: "warn" }, pino.destination({ fd: 2, sync: true }));

try {
  const daemon = await runReplica(JSON.parse(process.argv[2] ?? "[]") as ReplicaOptions[], log);
  process.once("SIGTERM", () => void daemon.stop());
  process.stdout.write(`${JSON.stringify(daemon.replicas)}\n`);
} catch (error) {
  const { code, message } = error as Error & { code: string };
  process.stdout.write(`${JSON.stringify({ code, message })}\n`);
  process.exitCode = 1;
}
