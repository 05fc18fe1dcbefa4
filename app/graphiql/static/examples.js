// The menu of examples, by what somebody wants to do.
import { headersNow, openTab } from "./editors.js";
import { ask } from "./requests.js";

function valueAt(path, data) {
  return path.reduce((value, step) => value?.[step], data);
}

async function valuesFor(variables, { document, values }) {
  // In Sweden a day is written as the API has it.
  const found = { "{day}": new Date().toLocaleDateString("sv-SE"), "{key}": crypto.randomUUID() };
  const needed = Object.entries(values).filter(([name]) => variables.includes(name));
  const data = needed.length ? await ask(document, headersNow()) : null;
  for (const [name, { path, otherwise }] of needed) found[name] = valueAt(path, data) ?? otherwise;
  return found;
}

async function variablesOf({ variables }, atHand) {
  if (!Object.keys(variables).length) return "";
  const values = await valuesFor(JSON.stringify(variables), atHand);
  return JSON.stringify(variables, (_, value) => values[value] ?? value, 2);
}

/** Fill the menu, once it is opened. */
export async function fillMenu(menu, url) {
  const { groups, atHand } = await (await fetch(url)).json();
  for (const [name, examples] of Object.entries(groups)) {
    const title = document.createElement("h2");
    const list = document.createElement("ul");
    title.textContent = name;
    for (const example of examples) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = example.intent;
      button.addEventListener("click", async () => {
        menu.hidePopover();
        openTab({ document: example.query, variables: await variablesOf(example, atHand) });
      });
      const item = document.createElement("li");
      item.append(button);
      list.append(item);
    }
    const group = document.createElement("section");
    group.append(title, list);
    menu.append(group);
  }
}
