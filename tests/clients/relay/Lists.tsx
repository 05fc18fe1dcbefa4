/** A user's lists, and the tasks of each in the order by hand, page by page. */

import { useMemo } from "react";
import {
  graphql,
  useLazyLoadQuery,
  usePaginationFragment,
  useSubscription,
} from "react-relay";

import type { ListsFollowSubscription } from "./__generated__/ListsFollowSubscription.graphql";
import type { ListsPageQuery } from "./__generated__/ListsPageQuery.graphql";
import type { ListsQuery } from "./__generated__/ListsQuery.graphql";
import type { ListsTasksPageQuery } from "./__generated__/ListsTasksPageQuery.graphql";
import type { Lists_list$key } from "./__generated__/Lists_list.graphql";
import type { Lists_query$key } from "./__generated__/Lists_query.graphql";

export function Lists() {
  const query = useLazyLoadQuery<ListsQuery>(
    graphql`
      query ListsQuery {
        ...Lists_query
      }
    `,
    {},
  );
  const { data, hasNext, loadNext } = usePaginationFragment<ListsPageQuery, Lists_query$key>(
    graphql`
      fragment Lists_query on Query
      @refetchable(queryName: "ListsPageQuery")
      @argumentDefinitions(
        first: { type: "Int", defaultValue: 2 }
        after: { type: "String" }
      ) {
        lists(first: $first, after: $after) @connection(key: "Lists_lists") {
          edges {
            node {
              id
              ...Lists_list
            }
          }
        }
      }
    `,
    query,
  );
  return (
    <main>
      {data.lists.edges.map(({ node }) => node && <List key={node.id} list={node} />)}
      {hasNext && <button onClick={() => loadNext(2)}>More lists</button>}
    </main>
  );
}

function List({ list }: { list: Lists_list$key }) {
  // Pages of a list's tasks, and `refetch`, are read by `node` and the list's id.
  const { data, hasNext, loadNext, refetch } = usePaginationFragment<
    ListsTasksPageQuery,
    Lists_list$key
  >(
    graphql`
      fragment Lists_list on TaskList
      @refetchable(queryName: "ListsTasksPageQuery")
      @argumentDefinitions(
        first: { type: "Int", defaultValue: 2 }
        after: { type: "String" }
      ) {
        name
        tasks(
          first: $first
          after: $after
          orderBy: { field: POSITION, direction: ASC }
        ) @connection(key: "Lists_tasks") {
          edges {
            node {
              id
              title
            }
          }
        }
      }
    `,
    list,
  );
  return (
    <section>
      <h2>{data.name}</h2>
      <ol>
        {data.tasks.edges.map(({ node }) => node && <li key={node.id}>{node.title}</li>)}
      </ol>
      {hasNext && <button onClick={() => loadNext(2)}>More of {data.name}</button>}
      <button onClick={() => refetch({}, { fetchPolicy: "network-only" })}>
        Read {data.name} again
      </button>
    </section>
  );
}

/** Shows what is changed elsewhere. */
export function Live({ after }: { after: string }) {
  useSubscription<ListsFollowSubscription>(
    useMemo(
      () => ({
        subscription: graphql`
          subscription ListsFollowSubscription($after: String) {
            changes(after: $after) {
              cursor
              node {
                id
                node {
                  ... on Task {
                    title
                  }
                  ... on TaskList {
                    name
                  }
                }
              }
            }
          }
        `,
        variables: { after },
        updater(store, answer) {
          const change = answer?.changes.node;
          // It has been deleted. Edges of it that are left in the store have null for a node.
          if (change && !change.node) store.delete(change.id);
        },
      }),
      [after],
    ),
  );
  return null;
}
