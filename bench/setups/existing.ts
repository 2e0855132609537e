/** Something that somebody else serves: an iSCSI URL, or a block device of the kernel's initiator. */
import type { Access } from "../load.js";
import { measureWithLoad, type SetupKind } from "../setup.js";

function existing(name: string, label: string, access: Access): SetupKind {
  return {
    name,
    label,
    spacePerByte: 0,
    canBeFresh: false,
    needs: [],
    start: () =>
      Promise.resolve({
        access,
        processes: [],
        measure: (request, signal) => measureWithLoad({ access, processes: [] }, request, signal),
        stop: () => Promise.resolve(),
      }),
  };
}

export const existingUrl = (name: string, url: string): SetupKind =>
  existing(name, url.replace(/\/\/.*@/, "//"), { iscsi: url });

export const existingDevice = (name: string, path: string): SetupKind =>
  existing(name, path, { file: path, buffered: false });
