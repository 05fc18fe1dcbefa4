import type { CodegenConfig } from "@graphql-codegen/cli";

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
      config: {
        // RFC 3339, to the microsecond: JSON has no other form for it, and a Date would round it.
        scalars: { DateTime: "string" },
        strictScalars: true,
        useTypeImports: true,
      },
    },
    // For Graphcache, which knows by it what is a list, what can be null, and what a union holds.
    "src/gql/introspection.json": { plugins: ["introspection"], config: { minify: true } },
  },
};

export default config;
