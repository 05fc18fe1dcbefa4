// What a task may have besides its texts: a date, a priority, labels.
import { isLate, shortly } from "./due";
import { issueOf, type Outcome } from "./failures";
import { Field } from "./Field";
import type { TaskFieldsFragment, TaskPriority } from "./gql/graphql";

export type Details = Pick<TaskFieldsFragment, "dueOn" | "dueTime" | "priority" | "labels">;

const PRIORITIES: Record<TaskPriority, string> = {
  NONE: "None",
  LOW: "Low",
  MEDIUM: "Medium",
  HIGH: "High",
  URGENT: "Urgent",
};
const BETWEEN_LABELS = ", ";

/** A task's details in short, where it has some. */
export function DetailsLine({ task, now }: { task: TaskFieldsFragment; now: string }) {
  const { dueOn, dueTime, priority, labels } = task;
  const late = !task.completed && isLate(task, now);
  if (!dueOn && priority === "NONE" && labels.length === 0) return null;
  return (
    <p className="details">
      {dueOn && (
        <time
          className={late ? "late" : undefined}
          dateTime={dueTime ? `${dueOn} ${dueTime}` : dueOn}
        >
          {late ? "Late:" : "Due"} {shortly({ dueOn, dueTime }, now)}
        </time>
      )}
      {priority !== "NONE" && (
        <span className={`priority ${priority.toLowerCase()}`}>{PRIORITIES[priority]}</span>
      )}
      {labels.map((label) => (
        <span key={label} className="chip">
          {label}
        </span>
      ))}
    </p>
  );
}

/** A form's fields for them. */
export function DetailFields({ details, outcome }: { details?: Details; outcome: Outcome }) {
  return (
    <div className="detail-fields">
      <Field
        label="Due on"
        name="dueOn"
        type="date"
        defaultValue={details?.dueOn ?? ""}
        error={issueOf(outcome, "dueOn")}
      />
      <Field
        label="Time"
        name="dueTime"
        type="time"
        defaultValue={details?.dueTime ?? ""}
        error={issueOf(outcome, "dueTime")}
      />
      <Field
        label="Priority"
        name="priority"
        options={PRIORITIES}
        defaultValue={details?.priority}
      />
      <Field
        label="Labels, with commas between"
        name="labels"
        autoComplete="off"
        defaultValue={details?.labels.join(BETWEEN_LABELS)}
        error={issueOf(outcome, "labels")}
      />
    </div>
  );
}

/** Whether one of these fields is what is wrong. */
export const isOfDetails = (outcome: Outcome) =>
  ["dueOn", "dueTime", "labels"].some((name) => issueOf(outcome, name) !== undefined);

/** What was written there. Labels that nobody touched stay as they are, even with commas in them. */
export function detailsIn(form: FormData, labels: string[] = []): Details {
  const text = String(form.get("labels"));
  const written = text.split(",").map((label) => label.trim());
  return {
    dueOn: String(form.get("dueOn")) || null,
    dueTime: String(form.get("dueTime")) || null,
    priority: form.get("priority") as TaskPriority,
    labels: text === labels.join(BETWEEN_LABELS) ? labels : written.filter(Boolean),
  };
}
