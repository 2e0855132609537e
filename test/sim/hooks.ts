/** Loader hooks: what the product's modules import of the world (disks, network, clock, the addon) is a simulated one. */
import type { ResolveHook } from "node:module";

const STANDS_IN: Record<string, string> = {
  "node:crypto": "./crypto.js",
  "node:fs": "./fs.js",
  "node:fs/promises": "./fs-promises.js",
  "node:http": "./http.js",
  "node:net": "./net.js",
  "node:timers/promises": "./clock.js",
  "@grpc/grpc-js": "./grpc.js",
};
/** The initiator of a machine is no part of the simulated world. */
const PRODUCT = /\/dist\/(engine(?!\/initiator)|replica|proto)\//;
const ADDON = /\/dist\/native\/index\.js$/;

export const resolve: ResolveHook = async (specifier, context, next) => {
  const isProduct = PRODUCT.test(context.parentURL ?? "");
  const stand = isProduct ? STANDS_IN[specifier] : undefined;
  if (stand !== undefined) return { url: new URL(stand, import.meta.url).href, shortCircuit: true };
  const resolved = await next(specifier, context);
  if (!isProduct || !ADDON.test(resolved.url)) return resolved;
  return { url: new URL("./native.js", import.meta.url).href, shortCircuit: true };
};
