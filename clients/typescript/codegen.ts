// Makes src/schema/, the schema's types and the documents of operations.graphql as text, and what is shipped as it is.
import type { CodegenConfig } from "@graphql-codegen/cli";

export default {
  schema: "../../schema.graphql",
  documents: "operations.graphql",
  emitLegacyCommonJSImports: false,
  config: {
    enumsAsTypes: true,
    scalars: { Date: "string", DateTime: "string", ID: "string", TimeOfDay: "string" },
    strictScalars: true,
    useTypeImports: true,
  },
  generates: {
    "src/schema/types.ts": { plugins: ["typescript"] },
    "src/schema/operations.ts": { plugins: ["./codegen-documents.cjs"] },
    "src/schema/names.ts": { plugins: ["./codegen-names.cjs"] },
    "dist/schema/schema.graphql": { plugins: ["schema-ast"], config: { includeDirectives: true } },
    "dist/schema/possibleTypes.json": {
      plugins: ["fragment-matcher"],
      config: { apolloClientVersion: 3 },
    },
    "dist/schema/introspection.json": { plugins: ["introspection"], config: { minify: true } },
  },
} satisfies CodegenConfig;
