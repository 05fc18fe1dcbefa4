import type { CodegenConfig } from "@graphql-codegen/cli";

const config: CodegenConfig = {
  // In a project of its own: "http://localhost:8000/graphql/schema.graphql".
  schema: "../../schema.graphql",
  documents: "lib/operations.ts",
  generates: {
    "lib/gql/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      // Date, DateTime and TimeOfDay are text.
      config: { defaultScalarType: "string", enumsAsTypes: true, useTypeImports: true },
    },
    // By it the cache knows which types are a `UserError`, and which a `Node`.
    "lib/gql/possibleTypes.ts": { plugins: ["fragment-matcher"], config: { useExplicitTyping: true } },
  },
};

export default config;
