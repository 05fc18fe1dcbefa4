// Starts GraphiQL with what the page's configuration says.
"use strict";

const configuration = JSON.parse(document.getElementById("configuration").textContent);
const root = document.getElementById("graphiql");

// Another GraphiQL at the same address, such as a colleague's project on the same port, keeps its
// tabs under GraphiQL's own names.
const PREFIX = "todo-api:";
const storage = {
  get length() {
    return this.keys().length;
  },
  keys: () => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)),
  getItem: (key) => localStorage.getItem(PREFIX + key),
  setItem: (key, value) => localStorage.setItem(PREFIX + key, value),
  removeItem: (key) => localStorage.removeItem(PREFIX + key),
  clear() {
    this.keys().forEach((key) => localStorage.removeItem(key));
  },
};

globalThis.MonacoEnvironment = {
  async getWorker(_, label) {
    const { url, integrity } = configuration.workers[label] ?? configuration.workers.editorWorkerService;
    if (url.startsWith("/")) return new Worker(url);
    // Browsers start no worker from elsewhere, nor check one: fetch does, and a blob is from here.
    const response = await fetch(url, { integrity });
    return new Worker(URL.createObjectURL(await response.blob()));
  },
};

async function newestTask() {
  if (!configuration.token) return null;
  try {
    const response = await fetch(configuration.endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${configuration.token}` },
      body: JSON.stringify({ query: "{ tasks(first: 1) { nodes { id version } } }" }),
    });
    return (await response.json()).data.tasks.nodes[0] ?? null;
  } catch {
    return null; // The examples then say where to take an id from.
  }
}

function tabOf({ query, variables }, task) {
  // In Sweden a day is written as the API has it.
  const today = new Date().toLocaleDateString("sv-SE");
  const fill = (name, value) => {
    if (name === "today" || name === "dueOn") return today;
    if (task && name === "id") return task.id;
    if (task && name === "ids") return [task.id];
    if (task && name === "expectedVersion") return task.version - 1;
    return value;
  };
  return { query, variables: JSON.stringify(variables, fill, 2) };
}

function headersOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

async function start() {
  let headers = JSON.stringify({ Authorization: `Bearer ${configuration.token ?? "TOKEN"}` }, null, 2);
  const options = {
    endpoint: configuration.endpoint,
    title: "Todo API",
    logo: `<img src="${configuration.logo}" alt="" width="28" height="28" />`,
    storage,
    headers,
    initialHeaders: headers,
    // Tokens are not kept: whoever uses this browser later does not find them.
    shouldPersistHeaders: false,
    // The address stays as it is: what is written here goes into no history and no log.
    onEditQuery: () => {},
    defaultEditorToolsVisibility: configuration.token ? "variables" : "headers",
    subscriptionsProtocol: "WS",
    connectionParams: () => headersOf(headers),
    onEditHeaders: (text) => {
      headers = text;
    },
  };
  const isFirstVisit = storage.getItem("graphiql:tabState") === null;
  if (isFirstVisit) {
    const task = await newestTask();
    options.defaultTabs = configuration.examples.map((example) => tabOf(example, task));
    options.initialQuery = options.defaultTabs[0].query;
    options.initialVariables = options.defaultTabs[0].variables;
  } else {
    options.initialQuery = null; // What was there last, not a text to welcome people by.
  }
  YogaGraphiQL.renderYogaGraphiQL(root, options);
}

if (globalThis.YogaGraphiQL) {
  start();
} else {
  root.firstElementChild.textContent =
    "GraphiQL's files could not be loaded. With internet and npm at hand, run `todo-api graphiql-files`; then reload this page.";
}
