// The panel of the last runs: each can be had again.
import { openTab } from "./editors.js";
import { keep, read } from "./history.js";

const when = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

function change(at, changed) {
  keep(read().flatMap((run) => (run.at === at ? changed(run) : [run])));
}

function titleOf(document) {
  const named = /\b(?:query|mutation|subscription)\s+(\w+)/.exec(document);
  return named?.[1] ?? document.replaceAll(/\s+/g, " ").slice(0, 40);
}

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function itemOf(run, panel, redraw) {
  const title = titleOf(run.document);
  const open = element(
    "button",
    { type: "button", title: run.document },
    element("span", { textContent: title }),
    element("small", { textContent: `${when.format(run.at)}${run.failed ? ", failed" : ""}` }),
  );
  open.addEventListener("click", () => {
    panel.hidePopover();
    openTab(run);
  });
  const star = element("button", { type: "button", className: "star", textContent: run.starred ? "★" : "☆" });
  star.setAttribute("aria-label", `Star ${title}`);
  star.setAttribute("aria-pressed", run.starred);
  star.addEventListener("click", () => {
    change(run.at, (found) => [{ ...found, starred: !found.starred }]);
    redraw();
  });
  return element("li", {}, open, star);
}

/** Show the runs in a panel that has a field, a list and a button. */
export function showHistory(panel) {
  const [field, list, clear] = ["input", "ul", "button.clear"].map((name) => panel.querySelector(name));
  const redraw = () => {
    const sought = field.value.toLowerCase();
    const runs = read();
    const found = runs.filter((run) => `${run.document}\n${run.variables}`.toLowerCase().includes(sought));
    list.replaceChildren(...found.map((run) => itemOf(run, panel, redraw)));
    if (!found.length) list.append(element("li", { textContent: runs.length ? "Nothing found." : "No runs yet." }));
    clear.hidden = runs.every(({ starred }) => starred);
  };
  field.oninput = redraw;
  clear.onclick = () => {
    keep(read().filter(({ starred }) => starred));
    redraw();
  };
  redraw();
}
