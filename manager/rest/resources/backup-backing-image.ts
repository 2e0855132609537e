/** A backup of a backing image, as the API shows it. Pure. */
import type { Resource } from "../../objects/resource.js";
import type { Item } from "../http/envelope.js";

export function backupBackingImageToResource({
  metadata,
  spec,
  status,
}: Resource<"BackupBackingImage">): Item<"backupBackingImage"> {
  const { name } = metadata;
  return {
    type: "backupBackingImage",
    id: name,
    actions: ["backupBackingImageRestore"],
    body: {
      name,
      backingImageName: spec.backingImage,
      backupTargetName: spec.backupTargetName,
      compressionMethod: status.compressionMethod,
      created: status.backupCreatedAt,
      error: status.error,
      labels: status.labels,
      messages: status.messages,
      progress: status.progress,
      secret: status.secret,
      secretNamespace: status.secretNamespace,
      size: status.size,
      state: status.state,
      url: status.url,
    },
  };
}
