/** What this frontend asks for: graphql-codegen reads the documents here and types them. */

import { graphql } from "./gql/gql.js";

export const TaskParts = graphql(`
  fragment TaskParts on Task {
    id
    title
    description
    completed
    createdAt
    version
  }
`);

export const TaskList = graphql(`
  query TaskList($first: Int!, $after: String, $filter: TaskFilter, $orderBy: TaskOrder) {
    tasks(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      edges {
        cursor
        node {
          ...TaskParts
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
    }
  }
`);

export const CreateTask = graphql(`
  mutation CreateTask($input: CreateTaskInput!) {
    createTask(input: $input) {
      __typename
      ...TaskParts
      ... on InvalidInput {
        issues {
          path
          code
          message
        }
      }
    }
  }
`);

export const UpdateTask = graphql(`
  mutation UpdateTask($input: UpdateTaskInput!) {
    updateTask(input: $input) {
      __typename
      ...TaskParts
      ... on UserError {
        message
      }
      ... on InvalidInput {
        issues {
          path
          code
          message
        }
      }
      ... on VersionConflict {
        current {
          ...TaskParts
        }
      }
    }
  }
`);

export const ToggleTask = graphql(`
  mutation ToggleTask($input: ToggleTaskInput!) {
    toggleTask(input: $input) {
      __typename
      ...TaskParts
      ... on UserError {
        message
      }
    }
  }
`);

export const DeleteTask = graphql(`
  mutation DeleteTask($input: DeleteTaskInput!) {
    deleteTask(input: $input) {
      __typename
      ... on DeleteTaskSuccess {
        deletedTaskId
      }
      ... on UserError {
        message
      }
    }
  }
`);

/** Read before the lists: what comes after it is not in them yet. */
export const WhereChangesEnd = graphql(`
  query WhereChangesEnd {
    changes(first: 0) {
      pageInfo {
        endCursor
      }
    }
  }
`);

export const FollowChanges = graphql(`
  subscription FollowChanges($after: String) {
    changes(after: $after) {
      cursor
      node {
        kind
        id
        node {
          ...TaskParts
          ... on TaskList {
            id
            name
            version
          }
        }
      }
    }
  }
`);
