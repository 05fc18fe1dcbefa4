// The panes of the tab that is open, read and written by the editor's models.

const FILES = {
  document: "operation.graphql",
  variables: "variables.json",
  headers: "request-headers.json",
  answer: "response.json",
};

export function isOf(model, pane) {
  return model.uri.path.endsWith(FILES[pane]);
}

function modelOf(pane) {
  return globalThis.monaco?.editor.getModels().find((model) => isOf(model, pane));
}

export function textOf(pane) {
  return modelOf(pane)?.getValue() ?? "";
}

export function write(pane, text) {
  modelOf(pane)?.setValue(text);
}

/** The headers of the tab; none where they are no JSON. */
export function headersNow() {
  try {
    return JSON.parse(textOf("headers"));
  } catch {
    return {};
  }
}

/** Open a tab; the one that is open, if it is empty. */
export function openTab({ document: text, variables }) {
  if (textOf("document").trim()) document.querySelector(".graphiql-tab-add").click();
  write("document", text);
  write("variables", variables);
}

/** Run the tab; anew, if it runs. */
export function run() {
  const click = () => document.querySelector(".graphiql-execute-button").click();
  const isRunning = document.querySelector(".graphiql-execute-button[aria-label^='Stop']");
  if (isRunning) click();
  setTimeout(click, isRunning ? 100 : 0); // GraphiQL has to see the end first.
}
