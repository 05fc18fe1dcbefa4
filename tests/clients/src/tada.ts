/** gql.tada: documents typed where they are written, without a step that makes code. */

import { initGraphQLTada } from "gql.tada";

import type { introspection } from "./gql/tada.js";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { Date: string; DateTime: string; TimeOfDay: string };
}>();

export const PendingTasks = graphql(`
  query PendingTasks($first: Int!) {
    tasks(filter: { status: PENDING }, first: $first) {
      nodes {
        id
        title
        createdAt
      }
      totalCount
    }
  }
`);
