// Makes src/gql/: typed documents of operations.graphql, and what Graphcache needs to know of the schema.
import type { CodegenConfig } from "@graphql-codegen/cli";

export default {
  schema: "../../schema.graphql",
  documents: "src/operations.graphql",
  config: {
    scalars: { Date: "string", DateTime: "string", ID: "string", TimeOfDay: "string" },
    useTypeImports: true,
  },
  generates: {
    "src/gql/": { preset: "client", presetConfig: { fragmentMasking: false } },
    "src/gql/schema.ts": { plugins: ["urql-introspection"] },
  },
} satisfies CodegenConfig;
