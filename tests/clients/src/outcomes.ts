/** What came of a mutation, for the form that it was sent from. */

import type { UpdateTaskMutation } from "./gql/graphql.js";

/** A sentence to show beside the form; undefined when all is well. */
export function complaint(result: UpdateTaskMutation["updateTask"]): string | undefined {
  switch (result?.__typename) {
    case "Task":
      return undefined;
    case "InvalidInput":
      return result.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`).join(" ");
    case "VersionConflict":
      return `Somebody was faster: the title is now “${result.current.title}”.`;
    case "TaskNotFound":
      return result.message;
    case undefined:
      // null: nothing that the user can mend. What it was is among the errors.
      return "Something went wrong. Try again.";
  }
}
