import type { CodegenConfig } from "@graphql-codegen/cli";
import { addTypenameSelectionDocumentTransform } from "@graphql-codegen/client-preset";

const config: CodegenConfig = {
  schema: "../../schema.graphql",
  documents: "src/operations.ts",
  emitLegacyCommonJSImports: false,
  generates: {
    "src/gql/": {
      preset: "client",
      presetConfig: {
        fragmentMasking: false,
        persistedDocuments: { hashAlgorithm: "sha256" },
      },
      // What caches need is in the documents from the start, and so in their hashes.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      config: {
        // RFC 3339, to the microsecond: JSON has no other form for it, and a Date would round it.
        scalars: { Date: "string", DateTime: "string", TimeOfDay: "string" },
        strictScalars: true,
        useTypeImports: true,
      },
    },
    // For Graphcache, which knows by it what is a list, what can be null, and what a union holds.
    "src/gql/introspection.json": { plugins: ["introspection"], config: { minify: true } },
  },
};

export default config;
