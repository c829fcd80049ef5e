// Draw: one's own image through the autoencoder.

import { latest } from "./client.js";
import { fromCanvas, lightOnDark, prepare } from "./prepare.js";
import { make, makeCanvas, paint, percent } from "./tile.js";
import { distances, isolated, pixels, smallest, title } from "./world.js";

const SIDE = 280;
const PEN = 22;
const NEIGHBOURS = 5;
const LARGEST = 50e6; // bytes of a picture

export function startPad(explorer, panel) {
  const { world } = explorer, [height, width, channels] = world.shape, colours = channels >= 3;
  const pad = make("canvas", {
    width: SIDE, height: Math.round((SIDE * height) / width), tabindex: 0, role: "application", class: "pad",
    "aria-label": "Drawing pad. Arrow keys move the pen, the space bar puts it down and lifts it.",
  });
  const context = pad.getContext("2d", { willReadFrequently: true });
  const neighbours = make("div", { class: "row" }), words = make("p", { class: "soft" });
  const caption = make("p", { class: "soft", hidden: true }, "Nearest test images, by their codes:");
  const colour = make("input", { type: "color", value: "#ffffff", "aria-label": "Colour of the pen" });
  const file = make("input", { type: "file", accept: "image/*", class: "hidden", onchange: () => load(file.files[0]) });
  panel.append(
    make("p", {}, world.preparation === "mnist"
      ? "Draw a digit. As in MNIST it is scaled to 20\u00a0×\u00a020 pixels and centred by its mass in 28\u00a0×\u00a028."
      : `Draw, or take a picture: it becomes ${height}\u00a0×\u00a0${width} pixels, as the data set has them.`),
    make("div", { class: "pads" }, pad, make("div", { class: "stack" },
      make("div", { class: "row" },
        make("button", { type: "button", onclick: clear }, "Clear"),
        make("button", { type: "button", onclick: () => file.click() }, "Picture…"), file, ...(colours ? [colour] : [])),
      words, caption, neighbours)),
  );
  let pen = [SIDE / 2, pad.height / 2], down = false;

  pad.addEventListener("pointerdown", (event) => {
    pad.setPointerCapture(event.pointerId);
    pen = position(event);
    down = true;
    line(pen);
  });
  pad.addEventListener("pointermove", (event) => down && line(position(event)));
  for (const end of ["pointerup", "pointercancel"]) {
    pad.addEventListener(end, () => {
      if (down) look();
      down = false;
    });
  }
  pad.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const to = pen.map((value, axis) => Math.max(0, Math.min([SIDE, pad.height][axis], value + 8 * step[axis])));
      if (down) line(to);
      pen = to;
    } else if (event.key === " ") {
      down = !down;
      explorer.say(down ? "Pen down" : "Pen lifted");
      if (down) line(pen);
    } else return;
    event.preventDefault();
  });
  clear();

  function clear() {
    context.fillStyle = "#000";
    context.fillRect(0, 0, SIDE, pad.height);
    words.textContent = "Nothing is drawn yet.";
    caption.hidden = true;
    neighbours.replaceChildren();
    down = false;
  }

  function position(event) {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * pad.height];
  }

  function line(to) {
    Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: colour.value });
    context.beginPath();
    context.moveTo(...pen);
    context.lineTo(to[0] + 0.01, to[1]);
    context.stroke();
    pen = to;
    if (explorer.model.live) look();
  }

  function look() {
    const picture = context.getImageData(0, 0, SIDE, pad.height);
    show(fromCanvas(picture, channels), [pad.height, SIDE, channels], "Your drawing");
  }

  /** A picture from disk, scaled down to what the browser can hold. */
  async function load(source) {
    if (!source) return;
    try {
      if (source.size > LARGEST) throw new Error("it is larger than 50 MB");
      const bitmap = await createImageBitmap(source), scale = Math.min(1, 640 / Math.max(bitmap.width, bitmap.height));
      const [wide, high] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
      const drawn = new OffscreenCanvas(wide, high).getContext("2d");
      drawn.drawImage(bitmap, 0, 0, wide, high);
      const values = fromCanvas(drawn.getImageData(0, 0, wide, high), channels);
      const shape = [high, wide, channels];
      await show(world.preparation === "mnist" ? lightOnDark(values, shape) : values, shape, isolated(source.name));
    } catch (error) {
      words.textContent = `${isolated(source.name)} cannot be shown: ${error.message}.`;
    }
    file.value = "";
  }

  const show = latest(async (values, shape, name) => {
    const image = prepare(values, shape, world.shape, world.preparation);
    if (!image) {
      words.textContent = "There is nothing light on dark to be seen.";
      return;
    }
    const view = await explorer.viewImage(image, name);
    explorer.pick(view);
    caption.hidden = false;
    words.textContent = strangeness(view, explorer.model.sortedErrors.length);
    neighbours.replaceChildren(...smallest(distances(explorer.model.codes, view.code), NEIGHBOURS).map(button));
  });

  function button(index) {
    const canvas = makeCanvas(1, 1, title(world, index));
    paint(canvas, pixels(world, index), world.shape);
    return make("button", { type: "button", class: "thumb", title: title(world, index), onclick: () => explorer.pickIndex(index) }, canvas);
  }

  return { load };
}

function strangeness({ rank }, many) {
  return many < 2 ? "" : `Stranger than ${percent(rank)} of the test images: so many are reconstructed better.`;
}
