// The stage: an image, what the autoencoder makes of it, and how far the two are apart.

import { judgement } from "./calibration.js";
import { make, paint, paintDifference, percent, short } from "./tile.js";
import { title } from "./world.js";

/** Fills the stage and keeps it up to date. */
export function startStage(explorer, { tiles, words }) {
  const [left, middle, right] = Array.from(tiles.children, (figure) => ({
    canvas: figure.querySelector("canvas"),
    caption: figure.querySelector("figcaption"),
  }));

  explorer.addEventListener("view", () => {
    const { view, world } = explorer, isImage = view.kind === "image";
    paint(left.canvas, view.image, world.shape);
    paint(middle.canvas, view.output, world.shape);
    paintDifference(right.canvas, view.image, view.output, world.shape);
    name(left, isImage ? "Image" : "Nearest test image");
    name(middle, isImage ? "Reconstruction" : "Decoded");
    name(right, "Difference");
    words.replaceChildren(...sentence(explorer));
  });

  function name({ canvas, caption }, text) {
    if (caption.textContent !== text) caption.textContent = text;
    canvas.setAttribute("aria-label", text);
  }
}

function sentence({ view, world, model }) {
  const error = `mean squared ${view.kind === "image" ? "error" : "difference"} ${short(view.error)}`;
  if (view.kind === "code") return [make("b", {}, view.name), `, beside ${title(world, view.index)}: ${error}`];
  const many = model.sortedErrors.length;
  const place = many > 1 ? `, larger than for ${percent(view.rank)} of ${many.toLocaleString("en")} test images` : "";
  const verdict = view.verdict ? `. ${judgement(view.verdict)}` : "";
  return [make("b", {}, view.name), `: ${error}${place}${verdict}`];
}
