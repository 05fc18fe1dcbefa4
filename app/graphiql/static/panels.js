// The panels that open below the bar, each when its button is clicked.
import { textOf } from "./editors.js";
import { fillMenu } from "./examples.js";
import { showHistory } from "./history-panel.js";
import { storage } from "./storage.js";
import { actAs, preset, use } from "./token.js";

const panelOf = (name) => document.getElementById(name);

function operationNow() {
  const { tabs, activeTabIndex } = JSON.parse(storage.getItem("graphiql:tabState") ?? "{}");
  return tabs?.[activeTabIndex].operationName ?? undefined;
}

function tabNow(endpoint) {
  const tab = { document: textOf("document").trim(), url: new URL(endpoint, location.href).href };
  try {
    return { ...tab, variables: JSON.parse(textOf("variables") || "{}"), operation: operationNow() };
  } catch {
    return null;
  }
}

async function showSnippet(panel, endpoint) {
  const { NAMES, snippetOf } = await import("./snippets.js");
  const [choice, code, copy] = ["select", "code", "button"].map((name) => panel.querySelector(name));
  if (!choice.options.length) choice.append(...NAMES.map((name) => new Option(name)));
  const tab = tabNow(endpoint);
  const draw = () => {
    code.textContent = tab ? snippetOf(choice.value, tab) : "The variables are no JSON.";
    copy.textContent = "Copy";
  };
  choice.onchange = draw;
  copy.onclick = async () => {
    await navigator.clipboard.writeText(code.textContent);
    copy.textContent = "Copied";
  };
  draw();
}

const ACT = {
  title: "Act as …",
  text: "Send a token of somebody else, of this machine alone. Tokens are made for any name.",
  label: "Another name",
  submit: "Act",
  type: "text",
};
const PASTE = {
  title: "Paste a token",
  text: "It is sent by all tabs, and kept in memory until the page is left.",
  label: "Token",
  submit: "Use",
  type: "password",
};

/** Offer what the page may: the server's tokens of anybody, or one's own. */
function prepareAccount(panel) {
  const { title, text, label, submit, type } = preset.mayRenew ? ACT : PASTE;
  const [form, field, people] = ["form", "input", "ul"].map((name) => panel.querySelector(name));
  const [told, note] = panel.querySelectorAll("p");
  const opener = document.getElementById("other");
  opener.textContent = title;
  opener.hidden = false;
  panel.setAttribute("aria-label", title);
  told.textContent = text;
  people.hidden = !preset.mayRenew;
  field.type = type;
  field.placeholder = label;
  field.setAttribute("aria-label", label);
  form.querySelector("button").textContent = submit;
  const act = async (user) => {
    note.textContent = (await actAs(user)) ? "" : "No token is made for this name.";
    if (note.textContent) return;
    history.replaceState(null, "", `?as=${encodeURIComponent(user)}`);
    panel.hidePopover();
  };
  people.querySelectorAll("button").forEach((button) => {
    button.addEventListener("click", () => act(button.textContent));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const value = field.value.trim();
    field.value = "";
    if (preset.mayRenew) return act(value);
    use(value.replace(/^Bearer /i, ""));
    panel.hidePopover();
    document.querySelector('[aria-label^="Re-fetch"]')?.click();
  });
}

function below(panel, button) {
  const { left, bottom } = button.getBoundingClientRect();
  panel.style.top = `${bottom + 4}px`;
  panel.style.left = `${Math.max(8, Math.min(left, innerWidth - panel.offsetWidth - 8))}px`;
}

/** Have each panel show what it is for when it opens. */
export function preparePanels({ endpoint, examples }) {
  prepareAccount(panelOf("account"));
  let filled;
  const shows = {
    examples: (panel) => (filled ??= fillMenu(panel, examples)),
    history: showHistory,
    snippet: (panel) => showSnippet(panel, endpoint),
    account: () => {},
  };
  for (const [name, show] of Object.entries(shows)) {
    const panel = panelOf(name);
    const button = document.querySelector(`[popovertarget="${name}"]`);
    panel.addEventListener("toggle", async ({ newState }) => {
      if (newState !== "open") return;
      below(panel, button);
      await show(panel);
      below(panel, button);
    });
  }
}
