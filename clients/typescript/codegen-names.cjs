// A plugin for graphql-codegen: the names of the types of objects that have no id.
exports.plugin = (schema) => {
  const names = Object.values(schema.getTypeMap())
    .filter((type) => type.astNode?.kind === "ObjectTypeDefinition" && !("id" in type.getFields()))
    .map(({ name }) => name)
    .filter((name) => !["Mutation", "Query", "Subscription"].includes(name));
  return `export const WITHOUT_ID = ${JSON.stringify(names.sort())};\n`;
};
