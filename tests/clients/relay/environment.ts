/** Relay's environment: the network, and the store. */

import type { Client } from "graphql-ws";
import { Environment, Network, Observable, RecordSource, Store, type GraphQLResponse } from "relay-runtime";

import type { Session } from "../src/session.js";

/** What `node` finds. What else has an `id` must not be kept under it alone, as Relay would. */
const NODES = new Set(["Task", "TaskList"]);

export interface Options {
  fetch?: typeof globalThis.fetch;
  /** What subscriptions go by. */
  live?: Client;
}

export function relayEnvironment(
  url: string,
  session: Session,
  { fetch = globalThis.fetch, live }: Options = {},
): Environment {
  const ask = async (request: object): Promise<GraphQLResponse & { errors?: Problem[] }> => {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${await session.token()}`,
      },
      body: JSON.stringify(request),
    });
    return response.json();
  };
  return new Environment({
    network: Network.create(
      async ({ name, text }, variables) => {
        const request = { operationName: name, query: text, variables };
        const answer = await ask(request);
        if (answer.errors?.[0]?.extensions?.code !== "UNAUTHENTICATED") return answer;
        session.renew();
        return ask(request);
      },
      ({ name, text }, variables) =>
        Observable.create((sink) =>
          live!.subscribe({ operationName: name, query: text!, variables }, sink as never),
        ),
    ),
    store: new Store(new RecordSource()),
    getDataID: ({ id }, type) => (NODES.has(type) ? id : null),
  });
}

interface Problem {
  message: string;
  extensions?: { code?: string };
}
