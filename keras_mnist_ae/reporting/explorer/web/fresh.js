// New: images that no one drew, from codes drawn at random.

import { latest } from "./client.js";
import { make, makeCanvas, paint } from "./tile.js";
import { lookalike, pixels, title } from "./world.js";

const MANY = 12;

export function startFresh(explorer, panel) {
  const { world } = explorer, intro = make("p"), grid = make("div", { class: "pairs" });
  const again = make("button", { type: "button", onclick: () => draw() }, "Draw others");
  panel.append(intro, again, grid);
  const pairs = Array.from({ length: MANY }, () => {
    const made = makeCanvas(1, 1, "New image"), near = makeCanvas(1, 1, "Nearest test image");
    const button = make("button", { type: "button", class: "pair" }, made, near);
    grid.append(button);
    return { made, near, button, code: null };
  });
  pairs.forEach((pair) => pair.button.addEventListener("click", () => {
    explorer.viewCode(pair.code, "A new image").then((view) => explorer.pick(view));
  }));

  explorer.addEventListener("model", () => {
    const { density, facts } = explorer.model;
    again.hidden = grid.hidden = !density;
    const lent = facts.switches.length ? " Pooling switches are borrowed from the test image whose code is nearest." : "";
    intro.textContent = density
      ? `Codes drawn from ${density.words}, decoded; right of each the test image that looks most like it.${lent}`
      : "There is nothing to draw from: every image has the same code.";
    if (density) draw();
  });

  const draw = latest(async () => {
    for (const pair of pairs) {
      pair.code = explorer.model.density.sample();
      const image = await explorer.decode(pair.code), nearest = lookalike(world, image);
      paint(pair.made, image, world.shape);
      paint(pair.near, pixels(world, nearest), world.shape);
      pair.near.setAttribute("aria-label", `Nearest: ${title(world, nearest)}`);
    }
  });
}
