// Tabs by the pattern of the ARIA practices: arrow keys move between them.

import { make } from "./tile.js";

/** Tabs for panels by name; gives a function that opens one. */
export function startTabs(list, panels, names) {
  const tabs = names.map(([key, name], at) => {
    const panel = make("section", { id: `panel-${key}`, role: "tabpanel", "aria-labelledby": `tab-${key}`, tabindex: 0, hidden: at > 0 });
    panels.append(panel);
    const tab = make("button", {
      id: `tab-${key}`, role: "tab", type: "button", "aria-controls": `panel-${key}`,
      "aria-selected": String(at === 0), tabindex: at === 0 ? 0 : -1, onclick: () => open(key),
    }, name);
    list.append(tab);
    return { key, tab, panel };
  });
  list.addEventListener("keydown", (event) => {
    const at = tabs.findIndex(({ tab }) => tab === document.activeElement), last = tabs.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    open(tabs[to].key);
    tabs[to].tab.focus();
  });

  function open(wanted) {
    for (const { key, tab, panel } of tabs) {
      const chosen = key === wanted;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      panel.hidden = !chosen;
      if (chosen) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  return { open, panel: (key) => tabs.find((each) => each.key === key).panel };
}
