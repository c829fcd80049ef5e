// The page: its parts put together.

import { startBetween } from "./between.js";
import { Explorer, openOwn } from "./explorer.js";
import { startFresh } from "./fresh.js";
import { agreement, startHonest } from "./honest.js";
import { startMap } from "./map.js";
import { startOther } from "./other.js";
import { startPad } from "./pad.js";
import { startSliders } from "./sliders.js";
import { startStage } from "./stage.js";
import { startTabs } from "./tabs.js";
import { readWorld } from "./world.js";

const TABS = [
  ["draw", "Draw"], ["dimensions", "Dimensions"], ["between", "Between"],
  ["new", "New"], ["other", "Another model"], ["honest", "Honest"],
];
const element = (id) => document.getElementById(id);

/** Starts the page; `workerSource` is the text of the worker, a constant of the script. */
export async function start(workerSource) {
  const data = JSON.parse(element("data").textContent);
  try {
    const world = await readWorld(data), own = await openOwn(data, world, workerSource);
    const explorer = new Explorer(world), { open, panel } = startTabs(element("tabs"), element("panels"), TABS);
    startStage(explorer, { tiles: element("tiles"), words: element("words") });
    startMap(explorer, { canvas: element("map"), planes: element("planes"), legend: element("legend"), help: element("help") });
    const pad = startPad(explorer, panel("draw"));
    startSliders(explorer, panel("dimensions"));
    startBetween(explorer, panel("between"));
    startFresh(explorer, panel("new"));
    const other = startOther(explorer, panel("other"), { own, source: workerSource });
    const badge = element("badge"), honest = startHonest(explorer, panel("honest"), data, badge);
    badge.addEventListener("click", () => open("honest"));
    explorer.addEventListener("said", ({ detail }) => (element("said").textContent = detail));
    takeDrops(other, pad, open);
    await explorer.adopt(own);
    honest.tell(await agreement(explorer, data, own));
    document.body.classList.add("ready");
  } catch (error) {
    element("words").textContent = `This page cannot work here: ${error.message}`;
  }
}

/** What is dropped anywhere on the page: a picture goes to the pad, all else is taken for an export. */
function takeDrops(other, pad, open) {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    const files = await other.drop(event.dataTransfer).catch(() => []); // what cannot be read is not there
    const picture = files.length === 1 && files[0].type.startsWith("image/");
    open(picture ? "draw" : "other");
    if (picture) pad.load(files[0]);
    else other.take(files);
  });
}
