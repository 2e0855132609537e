/** A version of the engine that volumes can run. Fields as in Longhorn's engineimages.longhorn.io, v1beta2. */
import type { Static } from "@sinclair/typebox";
import { conditions, flag, integer, mapOf, record, text } from "./fields.js";

export const spec = record({
  image: text(),
});

export const status = record({
  buildDate: text(),
  cliAPIMinVersion: integer(),
  cliAPIVersion: integer(),
  conditions: conditions(),
  controllerAPIMinVersion: integer(),
  controllerAPIVersion: integer(),
  dataFormatMinVersion: integer(),
  dataFormatVersion: integer(),
  gitCommit: text(),
  incompatible: flag(),
  noRefSince: text(),
  nodeDeploymentMap: mapOf(flag()),
  ownerID: text(),
  refCount: integer(),
  state: text(),
  version: text(),
});

export type EngineImageSpec = Static<typeof spec>;
export type EngineImageStatus = Static<typeof status>;
