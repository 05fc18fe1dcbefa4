/** Documents that the server knows: the manifest of graphql-codegen has them by their hashes. */

import type { DocumentNode } from "graphql";

/** The hash that a document has in the manifest, without its `sha256:`. */
export function hashInManifest(document: DocumentNode): string {
  const { hash } = (document as DocumentNode & { __meta__: { hash: string } }).__meta__;
  return hash.replace("sha256:", "");
}
