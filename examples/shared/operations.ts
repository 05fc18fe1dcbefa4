/** What a page asks for. graphql-codegen reads it, and makes the types in `gql/`. */
import { graphql } from "./gql";

/** Read before the list, so that no change is missed between the two. */
export const Start = graphql(`
  query Start {
    changes(first: 0) {
      pageInfo {
        endCursor
      }
    }
  }
`);

export const TaskList = graphql(`
  query TaskList($first: Int!) {
    tasks(first: $first) {
      nodes {
        ...TaskParts
      }
      pageInfo {
        hasNextPage
      }
    }
  }
`);

export const TaskParts = graphql(`
  fragment TaskParts on Task {
    id
    title
    completed
    version
  }
`);

export const AddTask = graphql(`
  mutation AddTask($input: CreateTaskInput!) {
    createTask(input: $input) {
      __typename
      ...TaskParts
      ... on UserError {
        message
      }
    }
  }
`);

/** It says what shall be, so it may come late or twice: `completed: true`. */
export const TickTask = graphql(`
  mutation TickTask($input: UpdateTaskInput!) {
    updateTask(input: $input) {
      __typename
      ...TaskParts
      ... on UserError {
        message
      }
    }
  }
`);

/** What changes, whoever changes it. Where the inner `node` is null, it has been deleted. */
export const Follow = graphql(`
  subscription Follow($after: String) {
    changes(after: $after) {
      cursor
      node {
        id
        node {
          ...TaskParts
        }
      }
    }
  }
`);
