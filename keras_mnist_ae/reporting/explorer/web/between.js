// Between: the way from one image to another, in the code and in the pixels.

import { latest } from "./client.js";
import { make, makeCanvas, paint } from "./tile.js";
import { count, title } from "./world.js";

const DURATION = 3000; // milliseconds from one end to the other

/** The straight way between two codes. */
export function linear(a, b, share) {
  return a.map((value, i) => (1 - share) * value + share * b[i]);
}

/** The way along the great circle (Shoemake 1985), with lengths in proportion; straight where there is none. */
export function spherical(a, b, share) {
  const lengths = [a, b].map((code) => Math.hypot(...code));
  const cosine = a.reduce((sum, value, i) => sum + value * b[i], 0) / (lengths[0] * lengths[1]);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (!(Math.sin(angle) > 1e-6)) return linear(a, b, share);
  const length = (1 - share) * lengths[0] + share * lengths[1];
  const [first, second] = [Math.sin((1 - share) * angle), Math.sin(share * angle)].map((each) => each / Math.sin(angle));
  return a.map((value, i) => length * ((first * value) / lengths[0] + (second * b[i]) / lengths[1]));
}

export function startBetween(explorer, panel) {
  const { world } = explorer;
  const ends = { A: null, B: null }, pictures = {}, names = {};
  const slider = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: 0.5, "aria-label": "From A to B" });
  const play = make("button", { type: "button", onclick: toggle }, "Play");
  const tiles = ["Linear", "Spherical", "Cross-fade of pixels"].map((name) => {
    const canvas = makeCanvas(1, 1, name);
    return { canvas, figure: make("figure", {}, canvas, make("figcaption", {}, name)) };
  });
  panel.append(
    make("p", {}, "Pick an image on the map and take it as an end. The code goes straight or along a great circle; beside it the pixels fade."),
    make("div", { class: "ends" }, end("A"), end("B")),
    make("div", { class: "row wide" }, play, slider),
    make("div", { class: "tiles" }, ...tiles.map(({ figure }) => figure)),
  );
  let timer = null;
  slider.addEventListener("input", () => explorer.model.live && show());
  slider.addEventListener("change", () => show());
  explorer.addEventListener("model", () => {
    const second = world.labels.findIndex((label) => label !== world.labels[0]);
    Promise.all([0, second > 0 ? second : count(world) - 1].map((index) => explorer.viewIndex(index))).then(([a, b]) => {
      take("A", a);
      take("B", b);
    });
  });

  function end(letter) {
    pictures[letter] = makeCanvas(1, 1, `End ${letter}`);
    names[letter] = make("span", { class: "soft" });
    const button = make("button", { type: "button", onclick: () => take(letter, explorer.picked) }, `Picked image as ${letter}`);
    return make("div", { class: "end" }, pictures[letter], make("div", {}, button, names[letter]));
  }

  function take(letter, view) {
    ends[letter] = view;
    paint(pictures[letter], view.kind === "image" ? view.image : view.output, world.shape);
    names[letter].textContent = view.kind === "image" && view.index !== null ? title(world, view.index) : view.name;
    show();
  }

  const show = latest(async () => {
    const { A, B } = ends;
    if (!A || !B || A.code.length !== B.code.length) return;
    const share = Number(slider.value), size = { A: A.image, B: B.image };
    const views = [linear, spherical].map((way) => way(A.code, B.code, share));
    const images = [await explorer.decode(views[0]), await explorer.decode(views[1]), linear(size.A, size.B, share)];
    tiles.forEach(({ canvas }, i) => paint(canvas, images[i], world.shape));
  });

  function toggle() {
    if (timer !== null) return stop();
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches, start = performance.now();
    const from = Number(slider.value) >= 1 ? 0 : Number(slider.value);
    play.textContent = "Pause";
    timer = setInterval(() => {
      const share = Math.min(1, from + (performance.now() - start) / DURATION);
      slider.value = calm ? Math.round(share * 4) / 4 : share;
      show();
      if (share >= 1) stop();
    }, calm ? DURATION / 4 : 33);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
}
