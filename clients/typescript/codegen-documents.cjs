// A plugin for graphql-codegen: each operation as text, with the fragments that it uses, so that no parser or printer is
// bundled. `documentMode: "string"` of its own would have our types import a package that nobody needs otherwise.
const { print, visit, stripIgnoredCharacters } = require("graphql");

/** The fragments that a definition spreads, those of fragments included. */
function fragmentsOf(definition, all, found = new Set()) {
  visit(definition, {
    FragmentSpread({ name }) {
      const fragment = all.get(name.value);
      if (found.has(fragment)) return;
      found.add(fragment);
      fragmentsOf(fragment, all, found);
    },
  });
  return found;
}

exports.plugin = (_schema, documents) => {
  const definitions = documents.flatMap(({ document }) => document.definitions);
  const fragments = new Map(
    definitions
      .filter(({ kind }) => kind === "FragmentDefinition")
      .map((fragment) => [fragment.name.value, fragment]),
  );
  return definitions
    .filter(({ kind }) => kind === "OperationDefinition")
    .map((operation) => {
      const parts = [operation, ...fragmentsOf(operation, fragments)];
      const text = stripIgnoredCharacters(parts.map(print).join("\n"));
      return `export const ${operation.name.value} = ${JSON.stringify(text)};\n`;
    })
    .join("");
};
