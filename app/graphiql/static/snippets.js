// An operation as code that sends it: each form is whole, and has $TOKEN where the token goes.

const inTemplate = (text) => text.replaceAll(/[\\`]|\$\{/g, "\\$&");
const inPython = (text) => text.replaceAll("\\", "\\\\").replaceAll("'''", "\\'\\'\\'");
const indented = (text, by) => text.replaceAll("\n", `\n${" ".repeat(by)}`);

// Without comments and texts, in which such words may stand.
const bare = (text) => text.replaceAll(/"""[^]*?"""|"(?:\\.|[^"\\])*"|#.*/g, "");

function operationsIn(text) {
  return [...bare(text).matchAll(/\b(query|mutation|subscription)\b\s*(\w*)[^{]*\{/g)];
}

function kindOf({ document: text, operation }) {
  const operations = operationsIn(text);
  const [, kind] = operations.find(([, , name]) => name === operation) ?? operations[0] ?? [];
  return kind ?? "query";
}

function bodyOf({ document: text, variables, operation }) {
  return { query: text, variables, ...(operation && { operationName: operation }) };
}

function curl(tab) {
  const body = JSON.stringify(bodyOf(tab), null, 2);
  return `curl ${tab.url} \\
  -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: application/json" \\
  --data-binary @- <<'END'
${body}
END
`;
}

function byFetch(tab) {
  const name = tab.operation ? `,\n    operationName: ${JSON.stringify(tab.operation)}` : "";
  return `const response = await fetch(${JSON.stringify(tab.url)}, {
  method: "POST",
  headers: {
    Authorization: "Bearer $TOKEN",
    "Content-Type": "application/json",
  },
  body: JSON.stringify({
    query: \`${inTemplate(tab.document)}\`,
    variables: ${indented(JSON.stringify(tab.variables, null, 2), 4)}${name},
  }),
});
const { data, errors } = await response.json();
console.log(JSON.stringify(errors ?? data, null, 2));
`;
}

const socketOf = (tab) => `createClient({
  url: ${JSON.stringify(tab.url.replace(/^http/, "ws"))},
  connectionParams: { Authorization: "Bearer $TOKEN" },
})`;

function operationOf(tab) {
  return `const operation = gql\`${inTemplate(tab.document)}\`;
const variables = ${JSON.stringify(tab.variables, null, 2)};
`;
}

function urql(tab) {
  if (kindOf(tab) === "subscription") {
    return `// npm install @urql/core graphql graphql-ws; outside browsers, Node.js 22 or newer
import { Client, gql, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";

const socket = ${socketOf(tab)};
const client = new Client({
  url: ${JSON.stringify(tab.url)},
  exchanges: [
    subscriptionExchange({
      forwardSubscription: ({ query, variables }) => ({
        subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
      }),
    }),
  ],
});
${operationOf(tab)}
client.subscription(operation, variables).subscribe(({ data, error }) => {
  console.log(JSON.stringify(error ?? data, null, 2));
});
`;
  }
  return `// npm install @urql/core graphql
import { Client, fetchExchange, gql } from "@urql/core";

const client = new Client({
  url: ${JSON.stringify(tab.url)},
  exchanges: [fetchExchange],
  preferGetMethod: false,
  fetchOptions: { headers: { Authorization: "Bearer $TOKEN" } },
});
${operationOf(tab)}
const { data, error } = await client.${kindOf(tab)}(operation, variables).toPromise();
console.log(JSON.stringify(error ?? data, null, 2));
`;
}

const APOLLO = {
  query: `const { data } = await client.query({ query: operation, variables });
console.log(JSON.stringify(data, null, 2));`,
  mutation: `const { data } = await client.mutate({ mutation: operation, variables });
console.log(JSON.stringify(data, null, 2));`,
  subscription: `client.subscribe({ query: operation, variables }).subscribe(({ data }) => {
  console.log(JSON.stringify(data, null, 2));
});`,
};

function apollo(tab) {
  const kind = kindOf(tab);
  const [more, imports, link] =
    kind === "subscription"
      ? [
          " graphql-ws; outside browsers, Node.js 22 or newer",
          `import { ApolloClient, InMemoryCache, gql } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";`,
          `new GraphQLWsLink(
    ${indented(socketOf(tab), 4)},
  )`,
        ]
      : [
          "",
          `import { ApolloClient, HttpLink, InMemoryCache, gql } from "@apollo/client";`,
          `new HttpLink({
    uri: ${JSON.stringify(tab.url)},
    headers: { Authorization: "Bearer $TOKEN" },
  })`,
        ];
  return `// npm install @apollo/client graphql rxjs${more}
${imports}

const client = new ApolloClient({
  link: ${link},
  cache: new InMemoryCache(),
});
${operationOf(tab)}
${APOLLO[kind]}
`;
}

function python(tab) {
  const name = tab.operation ? `, "operationName": ${JSON.stringify(tab.operation)}` : "";
  return `import json
from urllib.request import Request, urlopen

query = '''
${inPython(tab.document)}
'''
variables = json.loads('''
${inPython(JSON.stringify(tab.variables, null, 2))}
''')
request = Request(
    ${JSON.stringify(tab.url)},
    json.dumps({"query": query, "variables": variables${name}}).encode(),
    {"Authorization": "Bearer $TOKEN", "Content-Type": "application/json"},
)
with urlopen(request) as response:
    print(json.load(response))
`;
}

const FORMS = { curl, fetch: byFetch, urql, "Apollo Client": apollo, Python: python };
export const NAMES = Object.keys(FORMS);

/**
 * Return a tab as code, or a sentence why not.
 *
 * A tab has `document`, `variables` (an object), `url`, and as `operation` the name of the one to
 * run, which only a document with several needs.
 */
export function snippetOf(name, tab) {
  const isOne = operationsIn(tab.document).length < 2;
  const isClient = ["urql", "Apollo Client"].includes(name);
  if (kindOf(tab) === "subscription" && !isClient) {
    return "A subscription comes over a WebSocket: see it as urql or Apollo Client.";
  }
  if (!isOne && isClient) return "Such clients send one operation: leave the others out.";
  return FORMS[name](isOne ? { ...tab, operation: undefined } : tab);
}
