/** The daemon of a witness: its control port. */
import { Server, status } from "@grpc/grpc-js";
import type { Logger } from "pino";
import { ReplicaControl } from "../proto/control.js";
import { addHealth } from "../proto/health.js";
import { RpcError, unaryHandlers } from "../proto/unary.js";
import { WitnessVoter } from "../proto/voting.js";
import { bindServer } from "./bind-server.js";
import { Witness } from "./witness.js";

export interface WitnessOptions {
  directory: string;
  /** null: as recorded, or the first engine's */
  volume: string | null;
  host: string;
  /** 0: a free one */
  port: number;
}

export interface RunningWitness {
  port: number;
  stop(): Promise<void>;
}

/** @throws {ReplicaError} */
export async function runWitness(options: WitnessOptions, log: Logger): Promise<RunningWitness> {
  const { directory, volume, host } = options;
  const witness = await Witness.open(directory, volume, log);
  const server = new Server();
  const noData = () => {
    throw new RpcError(status.UNIMPLEMENTED, "this is a witness: it keeps records, and no data");
  };
  server.addService(
    ReplicaControl,
    unaryHandlers(ReplicaControl, {
      identify: () => Promise.resolve(witness.identify()),
      recorded: () => Promise.resolve(witness.recorded()),
      record: (request) => witness.record(request).then(() => ({})),
      inheritedRegions: noData,
      missedRegions: noData,
      agreed: noData,
      release: noData,
      prepareSnapshot: noData,
      commitSnapshot: noData,
      abandonSnapshot: noData,
    }),
  );
  server.addService(
    WitnessVoter,
    unaryHandlers(WitnessVoter, {
      look: () => Promise.resolve(witness.look()),
      promise: (request) => witness.promise(request),
      accept: (request) => witness.accept(request),
    }),
  );
  addHealth(server);
  try {
    const port = await bindServer(server, host, options.port);
    log.info({ ...witness.identity, directory, host, port }, "witness serves");
    return {
      port,
      stop: async () => {
        server.forceShutdown();
        await witness.close();
      },
    };
  } catch (error) {
    await witness.close();
    throw error;
  }
}
