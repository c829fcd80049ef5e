// Dimensions: one number of the code at a time.

import { latest } from "./client.js";
import { make, makeCanvas, paint, short } from "./tile.js";

const AT_ONCE = 8; // sliders that are shown, and how many more on demand
const STEPS = 7; // images in the strip of a traverse

export function startSliders(explorer, panel) {
  const list = make("div", { class: "sliders" });
  const more = make("button", { type: "button", onclick: () => add() }, "More dimensions");
  const intro = make("p");
  const back = make("button", { type: "button", onclick: () => (explorer.restore(), reset()) }, "Back to the picked image");
  panel.append(intro, make("div", { class: "row" }, back), list, more);
  let rows = [], code = null;

  explorer.addEventListener("model", () => {
    const { facts, collapsed } = explorer.model, released = explorer.model.live ? "" : " Decoding is slow here: let go to see.";
    intro.textContent = collapsed
      ? "The codes do not differ, so that no dimension says anything."
      : `The code has ${facts.latent} ${facts.latent === 1 ? "number" : "numbers"}, here from the one that varies most. Each slider goes from the 1st to the 99th percentile of the test images; the others stay as they are.${released}`;
    rows = [];
    list.replaceChildren();
  });
  explorer.addEventListener("picked", () => {
    reset();
    if (!rows.length) add();
    else strips();
  });

  function reset() {
    code = explorer.picked.code.slice();
    rows.forEach(place);
  }

  function add() {
    const { order, low, high } = explorer.model.statistics, from = rows.length;
    for (const dimension of order.slice(from, from + AT_ONCE)) {
      const range = high[dimension] - low[dimension] || 2;
      const start = high[dimension] > low[dimension] ? low[dimension] : low[dimension] - 1;
      const row = { dimension, start, range };
      row.slider = make("input", { type: "range", min: start, max: start + range, step: range / 200, "aria-label": `Dimension ${dimension + 1}` });
      row.value = make("output");
      row.strip = makeCanvas(1, 1, `Dimension ${dimension + 1} from its 1st to its 99th percentile`);
      row.slider.addEventListener("input", () => move(row, explorer.model.live));
      row.slider.addEventListener("change", () => move(row, true));
      row.strip.addEventListener("click", (event) => {
        const at = Math.floor((event.offsetX / row.strip.clientWidth) * STEPS);
        row.slider.value = start + (Math.min(at, STEPS - 1) / (STEPS - 1)) * range;
        move(row, true);
      });
      list.append(make("div", { class: "slider" }, make("span", { class: "name" }, `${dimension + 1}`), row.slider, row.value, row.strip));
      rows.push(row);
      place(row);
    }
    more.hidden = rows.length >= order.length;
    strips();
  }

  function place(row) {
    row.slider.value = code[row.dimension];
    row.value.textContent = short(code[row.dimension]);
  }

  function move(row, decode) {
    code[row.dimension] = Number(row.slider.value);
    row.value.textContent = short(code[row.dimension]);
    const now = code.slice(), name = `Dimension ${row.dimension + 1} at ${short(now[row.dimension])}`;
    if (decode) explorer.preview(() => explorer.viewCode(now, name));
  }

  /** The strips of all rows, one image after the other, for as long as the picked image stays. */
  const strips = latest(async () => {
    const base = explorer.picked.code, size = explorer.world.shape.reduce((product, each) => product * each, 1);
    for (const row of rows) {
      const images = new Float32Array(STEPS * size);
      for (let step = 0; step < STEPS; step++) {
        if (explorer.picked.code !== base) return;
        const along = base.slice();
        along[row.dimension] = row.start + (step / (STEPS - 1)) * row.range;
        images.set(await explorer.decode(along), step * size);
      }
      paint(row.strip, images, explorer.world.shape);
    }
  });
}
