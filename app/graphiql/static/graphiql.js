// Starts GraphiQL with what the page's configuration says.
import { headersNow, isOf } from "./editors.js";
import { watchRequests, watchSockets } from "./requests.js";
import { tellOfHeaders } from "./sentences.js";
import { storage } from "./storage.js";
import { followed, newHeaders, preset, renew, renewed, show, tokenIn } from "./token.js";

const configuration = JSON.parse(document.getElementById("configuration").textContent);
const root = document.getElementById("graphiql");

globalThis.MonacoEnvironment = {
  globalAPI: true, // By it the panes are read and written.
  async getWorker(_, label) {
    const { url, integrity } = configuration.workers[label] ?? configuration.workers.editorWorkerService;
    if (url.startsWith("/")) return new Worker(url);
    // Browsers start no worker from elsewhere, nor check one: fetch does, and a blob is from here.
    const response = await fetch(url, { integrity });
    return new Worker(URL.createObjectURL(await response.blob()));
  },
};

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
    return tabs[activeTabIndex];
  } catch {
    return null; // Nothing has been seen yet.
  }
}

// A tab has headers of its own: those that still have a token which was replaced get the new one.
function followHeaders(model) {
  const text = model.getValue();
  const newest = followed(text);
  if (newest === text) show(text);
  else model.setValue(newest);
}

function follow(model) {
  const seen = isOf(model, "headers")
    ? () => followHeaders(model)
    : isOf(model, "answer")
      ? () => tellOfHeaders(model.getValue())
      : null;
  if (!seen) return;
  model.onDidChangeContent(seen);
  seen();
}

/** The headers of the tab, for a socket: with a token that has not expired, where the page may. */
async function connectionParams() {
  const headers = JSON.stringify(headersNow());
  const token = tokenIn(headers);
  return token ? JSON.parse(headers.replace(token, await renewed(token))) : headersNow();
}

function fail() {
  root.firstElementChild.textContent =
    "GraphiQL's files could not be loaded. With internet and npm at hand, run `todo-api graphiql-files`; then reload this page.";
}

async function start(style) {
  const options = {
    endpoint: configuration.endpoint,
    storage,
    headers: newHeaders(),
    initialHeaders: newHeaders(),
    // Tokens are not kept: whoever uses this browser later does not find them.
    shouldPersistHeaders: false,
    // The address stays as it is: what is written here goes into no history and no log.
    onEditQuery: () => {},
    defaultEditorToolsVisibility: configuration.token ? "variables" : "headers",
    subscriptionsProtocol: "WS",
    connectionParams,
  };
  if (!seen) options.defaultTabs = configuration.first;
  // By these GraphiQL finds the tab that was open last; without, it opens one more.
  options.initialQuery = (seen ?? configuration.first[0]).query;
  options.initialVariables = (seen ?? configuration.first[0]).variables;
  const [{ mend }, { preparePanels }] = await Promise.all([...later, style]);
  globalThis.monaco.editor.onDidCreateModel(follow);
  preparePanels(configuration);
  mend(root);
  YogaGraphiQL.renderYogaGraphiQL(root, options);
}

const seen = lastSeen();
root.querySelector(".preview").textContent = (seen ?? configuration.first[0]).query;
preset.mayRenew = configuration.token !== null;
preset.replace(configuration.token);
show(newHeaders());
document.getElementById("renew").addEventListener("click", renew);
watchRequests(configuration.endpoint);
watchSockets();
// Nobody waits for these before the editor is there.
const later = [import("./accessible.js"), import("./panels.js")];
const style = load(configuration.style);
// GraphiQL's script comes after this one, and before the event.
document.addEventListener("DOMContentLoaded", () => {
  if (globalThis.YogaGraphiQL) start(style).catch(fail);
  else fail();
});
style.catch(fail);
