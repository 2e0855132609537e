/** A set-up: something that serves a disk, started by us or given. */
import { load, type Access, type Latency, type LoadRequest, type NamedProcess } from "./load.js";

/** What one run gave. */
export interface Sample {
  iops: number;
  megabytesPerSecond: number;
  latencyUs: Latency;
  /** Microseconds of CPU per operation, by process of the set-up. */
  cpuUs: Record<string, number>;
  /** The same, of the load generator. */
  generatorCpuUs: number;
  /** Processors kept busy by what is neither the set-up nor the generator: how disturbed the run was. */
  otherCores: number | undefined;
}

export interface Setup {
  readonly access: Access;
  /** Its processes; empty when they are not ours to see. */
  readonly processes: readonly NamedProcess[];
  measure(request: Omit<LoadRequest, "processes">, signal: AbortSignal): Promise<Sample>;
  /** Stops what was started and removes its files. Idempotent. */
  stop(): Promise<void>;
}

/** Where and how big. */
export interface Place {
  /** A folder of this set-up alone. */
  directory: string;
  /** Bytes. */
  size: number;
}

/** Makes one kind of set-up. */
export interface SetupKind {
  name: string;
  /** For people. */
  label: string;
  /** Disk space for a volume of one byte, bytes; 0 when it was there before. */
  spacePerByte: number;
  /** Whether it can be made anew for every run. */
  canBeFresh: boolean;
  /** Programs that have to be installed, with the Debian package that brings each. */
  needs: readonly { program: string; package: string }[];
  start(place: Place, signal: AbortSignal): Promise<Setup>;
}

/** Measures with our load generator. */
export async function measureWithLoad(
  setup: Pick<Setup, "access" | "processes">,
  request: Omit<LoadRequest, "processes">,
  signal: AbortSignal,
): Promise<Sample> {
  const result = await load(setup.access, { ...request, processes: setup.processes }, signal);
  if (result.operations === 0)
    throw new Error(`no operation of ${request.pattern.name} was answered in time`);
  const cpuUs: Record<string, number> = {};
  let busyUs = result.generatorCpuUs;
  for (const process of result.processes) {
    if (process.cpuUs === null) throw new Error(`${process.name} (pid ${process.pid}) is gone`);
    cpuUs[process.name] = process.cpuUs / result.operations;
    busyUs += process.cpuUs;
  }
  return {
    iops: result.iops,
    megabytesPerSecond: result.megabytesPerSecond,
    latencyUs: result.latencyUs,
    cpuUs,
    generatorCpuUs: result.generatorCpuUs / result.operations,
    otherCores: Math.max(0, (result.machineCpuUs - busyUs) / 1e6 / result.seconds),
  };
}
