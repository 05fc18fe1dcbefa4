import { useId, type ComponentProps } from "react";

type FieldProps = {
  label: string;
  error?: string;
  multiline?: boolean;
  options?: Record<string, string>;
} & Pick<
  ComponentProps<"input">,
  "autoComplete" | "autoFocus" | "defaultValue" | "maxLength" | "name" | "required" | "type"
>;

/** A labelled input, with what is wrong with it said beside it. `autoFocus` holds in a dialog, too. */
export function Field({ label, error, multiline = false, options, type, ...rest }: FieldProps) {
  const id = useId();
  const control = {
    ...rest,
    id,
    "data-first": rest.autoFocus,
    "aria-invalid": error !== undefined,
    "aria-describedby": error && `${id}-error`,
  };
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {multiline ? (
        <textarea {...control} rows={2} />
      ) : options ? (
        <select {...control}>
          {Object.entries(options).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      ) : (
        <input {...control} type={type} />
      )}
      {error && (
        <p id={`${id}-error`} role="alert" className="error">
          {error}
        </p>
      )}
    </div>
  );
}
