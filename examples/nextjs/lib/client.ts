import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import type { Client } from "graphql-ws";

import introspection from "./gql/possibleTypes";
import { follow, todoFetch } from "./todo";
import { url } from "./token";

export const client = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new GraphQLWsLink({ subscribe: follow } as Client),
    // By POST: what people search for has no place in URLs, which get logged.
    new HttpLink({ uri: url, fetch: todoFetch }),
  ),
  cache: new InMemoryCache({ possibleTypes: introspection.possibleTypes }),
});
