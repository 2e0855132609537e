/** Settings in the store. */
import { DEFINITIONS, type SettingName } from "./definitions.js";
import { checkSetting, definitionOf, InvalidSetting, isSetting, SettingValues } from "./settings.js";
import { modify, StoreError, type Store } from "../store/store.js";

export async function loadSettings(store: Store): Promise<SettingValues> {
  const stored = await store.list("Setting");
  return new SettingValues(new Map(stored.map(({ metadata, spec }) => [metadata.name, spec.value])));
}

/** Makes an object of every setting that has none, with its default: clients list and change them. That of the release says which one runs.
 * @param version our own
 * @param given what some of them are to be instead, by name; those that there are already stay, and are not looked at
 * @throws {InvalidSetting} */
export async function makeMissingSettings(
  store: Store,
  version: string,
  given: ReadonlyMap<string, string>,
): Promise<void> {
  const present = new Set((await store.list("Setting")).map(({ metadata }) => metadata.name));
  const values = new Map<string, string>();
  for (const [name, value] of given) {
    if (!isSetting(name)) throw new InvalidSetting(`setting ${name} is not known`);
    if (!present.has(name)) values.set(name, checkSetting(name, value));
  }
  for (const name of Object.keys(DEFINITIONS) as SettingName[]) {
    if (present.has(name)) continue;
    const value = values.get(name) ?? definitionOf(name).default;
    await store
      .create({ kind: "Setting", name, spec: { value }, status: { applied: true } })
      .catch((error: unknown) => {
        if (!(error instanceof StoreError) || error.code !== "EXISTS") throw error;
      });
  }
  await modify(store, "Setting", "current-longhorn-version", "spec", ({ spec }) => {
    spec.value = `v${version}`;
  });
}
