// Starts GraphiQL with what the page's configuration says.
import { tellOfAnswers, tellOfSockets } from "./sentences.js";
import { headersWith, preset, show } from "./token.js";

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
  globalAPI: true, // By it the Headers pane is read and written.
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

function load(style) {
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.crossOrigin = "anonymous";
    link.integrity = style.integrity;
    link.href = style.url;
    link.onload = resolve;
    link.onerror = reject;
    // Before the page's own style, which changes some of it.
    document.getElementById("shell").before(link);
  });
}

function lastSeen() {
  try {
    const { tabs, activeTabIndex } = JSON.parse(storage.getItem("graphiql:tabState"));
    return tabs[activeTabIndex].query;
  } catch {
    return null; // Nothing has been seen yet.
  }
}

function headersModel() {
  const models = globalThis.monaco?.editor.getModels() ?? [];
  return models.find((model) => model.uri.path.endsWith("request-headers.json"));
}

function headersNow() {
  try {
    return JSON.parse(headersModel().getValue());
  } catch {
    return {};
  }
}

// A tab has headers of its own: those that still have a token which was renewed get the new one.
function followHeaders(model) {
  if (!model.uri.path.endsWith("request-headers.json")) return;
  const follow = () => {
    const text = model.getValue();
    const renewed = headersWith(preset.token, text, preset.superseded);
    if (renewed === text) show(text);
    else model.setValue(renewed);
  };
  model.onDidChangeContent(follow);
  follow();
}

async function renew() {
  // The page is asked for anew: who may have a token is decided in one place.
  const response = await fetch(configuration.endpoint, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const { token } = JSON.parse(page.getElementById("configuration").textContent);
  if (!token) return;
  preset.renew(token);
  const model = headersModel();
  model.setValue(headersWith(token, model.getValue(), null));
}

function fail() {
  root.firstElementChild.textContent =
    "GraphiQL's files could not be loaded. With internet and npm at hand, run `todo-api graphiql-files`; then reload this page.";
}

async function start(firstTask, style) {
  const headers = JSON.stringify({ Authorization: `Bearer ${configuration.token ?? "TOKEN"}` }, null, 2);
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
    connectionParams: headersNow,
  };
  if (firstTask) {
    const task = await firstTask;
    options.defaultTabs = configuration.examples.map((example) => tabOf(example, task));
    options.initialQuery = options.defaultTabs[0].query;
    options.initialVariables = options.defaultTabs[0].variables;
  } else {
    options.initialQuery = null; // What was there last, not a text to welcome people by.
  }
  await style;
  globalThis.monaco.editor.onDidCreateModel(followHeaders);
  YogaGraphiQL.renderYogaGraphiQL(root, options);
}

const isFirstVisit = storage.getItem("graphiql:tabState") === null;
root.querySelector(".preview").textContent = lastSeen() ?? configuration.examples[0].query;
preset.renew(configuration.token);
show(`"Bearer ${configuration.token ?? ""}"`);
document.getElementById("renew").addEventListener("click", renew);
tellOfAnswers(configuration.endpoint);
tellOfSockets();
const style = load(configuration.style);
const firstTask = isFirstVisit ? newestTask() : null;
// GraphiQL's script comes after this one, and before the event.
document.addEventListener("DOMContentLoaded", () => {
  if (globalThis.YogaGraphiQL) start(firstTask, style).catch(fail);
  else fail();
});
style.catch(fail);
