// What GraphiQL 5 makes that people with a screen reader cannot use, put right after it renders.
// The test of accessibility says which of it is no longer needed.

// Tabs that have buttons in them are no tabs: they become a list of buttons, one of them current.
function mendTabs(root) {
  root.querySelector(".graphiql-tabs")?.removeAttribute("role");
  for (const tab of root.querySelectorAll(".graphiql-tab")) {
    tab.removeAttribute("role");
    tab.removeAttribute("aria-selected");
    const [button, close] = tab.querySelectorAll("button");
    const isOpen = tab.classList.contains("graphiql-tab-active");
    button.setAttribute("aria-current", isOpen);
    close?.setAttribute("aria-label", `Close ${button.textContent}`);
  }
  root.querySelector('[role="tabpanel"]')?.setAttribute("role", "region");
}

// Choices of the Explorer have no names.
function mendChoices(root) {
  for (const choice of root.querySelectorAll("select:not([aria-label])")) {
    const field = choice.parentElement.closest("[data-arg-name], [data-field-name]");
    const { argName, fieldName } = field?.dataset ?? {};
    choice.setAttribute("aria-label", argName ?? fieldName ?? "Kind of operation");
  }
}

// Comments of the dark theme have too little contrast.
function mendComments() {
  const { editor } = globalThis.monaco;
  const define = editor.defineTheme;
  const comment = { token: "comment", foreground: "85b878" };
  editor.defineTheme = (name, theme) => {
    define(name, theme.base === "vs-dark" ? { ...theme, rules: [...theme.rules, comment] } : theme);
  };
}

/** Mend what GraphiQL will put into an element; to be called before it does. */
export function mend(root) {
  mendComments();
  const all = () => {
    mendTabs(root);
    mendChoices(root);
  };
  const options = { subtree: true, childList: true, attributes: true };
  new MutationObserver(all).observe(root, { ...options, attributeFilter: ["role", "aria-selected"] });
}
