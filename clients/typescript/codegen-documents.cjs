// A plugin for graphql-codegen: each operation as text, with the fragments that it uses, so that no parser or printer is
// bundled. `documentMode: "string"` of its own would have our types import a package that nobody needs otherwise.
const { print, stripIgnoredCharacters, visit } = require("graphql");

const text = (definition) => JSON.stringify(stripIgnoredCharacters(print(definition)));

/** The names of the fragments that a definition spreads, those of fragments included. */
function fragmentsOf(definition, all, found = new Set()) {
  visit(definition, {
    FragmentSpread({ name: { value } }) {
      if (found.has(value)) return;
      found.add(value);
      fragmentsOf(all.get(value), all, found);
    },
  });
  return [...found];
}

exports.plugin = (_schema, documents) => {
  const definitions = documents.flatMap(({ document }) => document.definitions);
  const isFragment = ({ kind }) => kind === "FragmentDefinition";
  const fragments = new Map(definitions.filter(isFragment).map((fragment) => [fragment.name.value, fragment]));
  const operations = definitions.filter((definition) => !isFragment(definition));
  return [
    ...[...fragments].map(([name, fragment]) => `const ${name} = ${text(fragment)};`),
    ...operations.map((operation) => {
      const parts = [text(operation), ...fragmentsOf(operation, fragments)];
      return `export const ${operation.name.value} = ${parts.join(" + ")};`;
    }),
  ].join("\n");
};
