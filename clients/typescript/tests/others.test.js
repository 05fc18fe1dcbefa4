// Apollo Client, urql and Relay: real ones, with what the package has for them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { retryExchange } from "@urql/exchange-retry";
import { readFileSync } from "node:fs";
import * as relay from "relay-runtime";
import { retryLink, tokenLink, typePolicies } from "../dist/apollo.js";
import { createTodoClient } from "../dist/client.js";
import { appendOutcome } from "../dist/relay.js";
import { keys, resolvers, retryOptions } from "../dist/urql.js";
import { json, page, problem } from "./support/answers.js";

// Waits are the library's own here: so that they end soon.
const { setTimeout: later } = globalThis;
globalThis.setTimeout = (work, milliseconds, ...given) => later(work, Math.min(milliseconds, 5), ...given);

const url = "http://api/graphql";
const ADD = gql`
  mutation Add($input: CreateTaskInput!) {
    createTask(input: $input) {
      __typename
      ... on Task {
        id
        title
      }
    }
  }
`;
const created = { data: { createTask: { __typename: "Task", id: "1", title: "Flour" } } };
const input = { title: "Flour", idempotencyKey: "1" };

/** What comes instead of an answer, and whether it passes. */
const FAILURES = [
  ["503", true, () => json(problem("SERVICE_UNAVAILABLE", null), 503)],
  ["a page", true, () => page(502)],
  ["a page that says all is well", true, () => page(200)],
  ["no answer", true, () => Promise.reject(new TypeError("Load failed"))],
  ["a key under way", true, () => json(problem("IDEMPOTENCY_CONCURRENT_REQUEST", { createTask: null }))],
  ["what is forbidden", false, () => json(problem("FORBIDDEN", null), 403)],
];

/** A server that fails first, and how often it was asked. */
function failing(failure, times = 1) {
  const server = {
    asked: 0,
    fetch: async () => (++server.asked <= times ? failure() : json(created)),
  };
  return server;
}

const CLIENTS = {
  async apollo(fetch, variables) {
    const link = ApolloLink.from([retryLink(), new HttpLink({ uri: url, fetch })]);
    const client = new ApolloClient({ link, cache: new InMemoryCache({ typePolicies }) });
    const { data, error } = await client.mutate({ mutation: ADD, variables, errorPolicy: "all" }).catch((error) => ({ error }));
    return { data, error };
  },
  async urql(fetch, variables) {
    const client = new Client({ url, fetch, preferGetMethod: false, exchanges: [retryExchange(retryOptions), fetchExchange] });
    return client.mutation(ADD, variables).toPromise();
  },
};

for (const [name, mutate] of Object.entries(CLIENTS)) {
  for (const [what, isPassing, failure] of FAILURES) {
    test(`${name} sends a change with a key again after ${what}: ${isPassing}`, async () => {
      const server = failing(failure);
      const { data, error } = await mutate(server.fetch, { input });
      assert.equal(server.asked, isPassing ? 2 : 1);
      if (isPassing) assert.equal(data.createTask.title, "Flour");
      else assert.ok(error);
    });
  }

  test(`${name} sends no change without a key again, and none for ever`, async () => {
    const once = failing(FAILURES[0][2]);
    assert.ok((await mutate(once.fetch, { input: { title: "Flour" } })).error);
    assert.equal(once.asked, 1);
    const never = failing(FAILURES[0][2], Infinity);
    assert.ok((await mutate(never.fetch, { input })).error);
    assert.equal(never.asked, 5);
  });
}

test("Apollo has a token that is over renewed", async () => {
  let fetched = 0;
  const seen = [];
  const fetch = async (_, { headers }) => {
    seen.push(headers.authorization);
    return seen.length === 1 ? json(problem("UNAUTHENTICATED", null), 401) : json(created);
  };
  const session = createTodoClient({ url, token: () => `t${++fetched}` });
  const link = ApolloLink.from([retryLink(), tokenLink(session), new HttpLink({ uri: url, fetch })]);
  const client = new ApolloClient({ link, cache: new InMemoryCache({ typePolicies }) });
  assert.equal((await client.mutate({ mutation: ADD, variables: { input } })).data.createTask.title, "Flour");
  assert.deepEqual(seen, ["Bearer t1", "Bearer t2"]);
});

const PAGE = gql`
  query Page($after: String) {
    tasks(first: 1, after: $after) {
      __typename
      edges {
        __typename
        cursor
        node {
          __typename
          id
        }
      }
      pageInfo {
        __typename
        endCursor
        hasNextPage
      }
    }
    rateLimit {
      __typename
      remaining
    }
  }
`;

function pageAfter(after) {
  const id = after === "1" ? "2" : "1";
  const edge = { __typename: "TaskEdge", cursor: id, node: { __typename: "Task", id } };
  const pageInfo = { __typename: "PageInfo", endCursor: id, hasNextPage: id === "1" };
  const tasks = { __typename: "TaskConnection", edges: [edge], pageInfo };
  return { data: { tasks, rateLimit: { __typename: "RateLimit", remaining: 1 } } };
}

test("Graphcache puts pages together, and has a key for all", async () => {
  const warnings = [];
  const schema = JSON.parse(readFileSync(new URL("../dist/schema/introspection.json", import.meta.url)));
  const fetch = async (_, { body }) => json(pageAfter(JSON.parse(body).variables.after));
  const exchanges = [cacheExchange({ schema, keys, resolvers, logger: (_, warning) => warnings.push(warning) }), fetchExchange];
  const client = new Client({ url, fetch, preferGetMethod: false, exchanges });
  await client.query(PAGE, {}).toPromise();
  const { data } = await client.query(PAGE, { after: "1" }).toPromise();
  assert.deepEqual(data.tasks.edges.map(({ node }) => node.id), ["1", "2"]);
  assert.deepEqual(warnings.filter((warning) => warning.includes("key")), []);
});

test("Apollo puts pages together", async () => {
  const fetch = async (_, { body }) => json(pageAfter(JSON.parse(body).variables.after));
  const client = new ApolloClient({ link: new HttpLink({ uri: url, fetch }), cache: new InMemoryCache({ typePolicies }) });
  const query = client.watchQuery({ query: PAGE });
  await query.result?.();
  await client.query({ query: PAGE });
  await query.fetchMore({ variables: { after: "1" } });
  assert.deepEqual(client.readQuery({ query: PAGE }).tasks.edges.map(({ node }) => node.id), ["1", "2"]);
});

test("Relay appends what was made, and nothing where it was not", async () => {
  const outcomes = [
    { __typename: "InvalidInput", message: "No." },
    { __typename: "Task", id: "7", title: "Flour" },
  ];
  const environment = new relay.Environment({
    network: relay.Network.create(() => ({ data: { createTask: outcomes.shift() } })),
    store: new relay.Store(new relay.RecordSource()),
  });
  const connectionId = "client:root:__Lists_tasks_connection";
  environment.commitUpdate((store) => store.create(connectionId, "TaskConnection").setLinkedRecords([], "edges"));
  const record = (id) => environment.getStore().getSource().get(id);
  const updater = appendOutcome(connectionId, "Task", "TaskEdge");
  await commit(environment, updater);
  assert.deepEqual(record(connectionId).edges.__refs, []);
  await commit(environment, updater);
  assert.deepEqual(record(connectionId).edges.__refs.map((edge) => record(edge).node.__ref), ["7"]);
});

/** What relay-compiler makes of `mutation Add { createTask { __typename ... on Task { id title } } }`. */
function commit(environment, updater) {
  const scalar = (name) => ({ alias: null, args: null, kind: "ScalarField", name, storageKey: null });
  const onTask = { kind: "InlineFragment", selections: [scalar("id"), scalar("title")], type: "Task", abstractKey: null };
  const selections = [
    {
      alias: null,
      args: null,
      concreteType: null,
      kind: "LinkedField",
      name: "createTask",
      plural: false,
      selections: [scalar("__typename"), onTask],
      storageKey: null,
    },
  ];
  const mutation = {
    fragment: { argumentDefinitions: [], kind: "Fragment", metadata: null, name: "Add", selections, type: "Mutation", abstractKey: null },
    kind: "Request",
    operation: { argumentDefinitions: [], kind: "Operation", name: "Add", selections },
    params: { cacheID: "add", id: null, metadata: {}, name: "Add", operationKind: "mutation", text: "mutation Add" },
  };
  return new Promise((resolve, reject) =>
    relay.commitMutation(environment, { mutation, variables: {}, updater, onCompleted: resolve, onError: reject }),
  );
}
