// The map: the codes of the test images on a plane, and what the decoder makes of the places between.

import { palette, writeNames } from "./labels.js";
import { lift, percentile, project } from "./statistics.js";
import { make } from "./tile.js";
import { count, distances, smallest, title } from "./world.js";

const NEAR = 12; // CSS pixels within which a point is meant
const MARGIN = 24;
const STRETCH = 1.8; // one axis may be drawn so much larger than the other, to fill the space
const BLENDED = 5; // neighbours whose codes are mixed on planes that have no way back

export function startMap(explorer, { canvas, planes, legend, help }) {
  const context = canvas.getContext("2d");
  let shown = 0, cursor = null, hovered = null, highlighted = null, view, pressed = null;

  explorer.addEventListener("model", () => {
    shown = Math.min(shown, explorer.model.planes.length - 1);
    cursor = null;
    choosePlanes();
    fillLegend();
    help.textContent = words();
    draw();
  });
  explorer.addEventListener("view", () => {
    cursor = explorer.view.kind === "image" && explorer.view.index !== null
      ? point(explorer.view.index)
      : (current().plane ? Array.from(project(explorer.view.code, current().plane)) : explorer.view.place ?? cursor);
    draw();
  });
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  canvas.addEventListener("pointermove", (event) => {
    const at = position(event);
    if (pressed) {
      pressed.moved ||= Math.hypot(at[0] - pressed.at[0], at[1] - pressed.at[1]) > 5;
      if (pressed.moved && explorer.model.live) visit(place(at));
      return;
    }
    if (event.pointerType === "touch") return;
    const near = nearest(at);
    if (near === hovered) return;
    hovered = near;
    canvas.classList.toggle("near", near !== null);
    if (near === null) explorer.restore();
    else explorer.preview(() => explorer.viewIndex(near));
  });
  canvas.addEventListener("pointerleave", () => {
    if (hovered !== null) explorer.restore();
    hovered = null;
  });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pressed = { at: position(event), moved: false };
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!pressed) return;
    const at = position(event), near = nearest(at);
    if (!pressed.moved && near !== null) pick(near);
    else visit(place(at));
    pressed = null;
  });
  canvas.addEventListener("pointercancel", () => (pressed = null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const size = event.shiftKey ? 0.1 : 0.02;
    if (step) {
      cursor = (cursor ?? [view.centre[0], view.centre[1]]).map((value, axis) => value + step[axis] * size * view.span);
      visit(cursor);
    } else if (event.key === "Enter" || event.key === " ") pick(closest(cursor ?? view.centre));
    else return;
    event.preventDefault();
  });

  function words() {
    const how = current().plane ? "what lies there on the plane" : `a mixture of the ${BLENDED} nearest codes`;
    const when = explorer.model.live ? "Drag through empty space to decode" : "Decoding is slow here: let go to decode";
    const lent = explorer.model.facts.switches.length ? " Its pooling switches are borrowed from the nearest test image." : "";
    if (explorer.model.collapsed) return "Every image has the same code: the encoder has collapsed, its codes hold nothing.";
    return `Point at a dot to see its image, press to pick it. ${when} ${how}. Arrow keys move, Enter picks.${lent}`;
  }

  function current() {
    return explorer.model.planes[shown];
  }

  function point(index) {
    return Array.from(current().points.subarray(2 * index, 2 * index + 2));
  }

  function pick(index) {
    explorer.pickIndex(index).then(() => explorer.say(`Picked: ${title(explorer.world, index)}`));
  }

  function visit(at) {
    cursor = at;
    explorer.preview(async () => ({ ...(await explorer.viewCode(codeAt(at), "A place on the map")), place: at }));
  }

  /** The code at a place: on the plane itself, or, where the map has no inverse, mixed from neighbours. */
  function codeAt(at) {
    if (current().plane) return lift(at, current().plane);
    const apart = distances(current().points, at), { codes, facts } = explorer.model;
    const code = new Float32Array(facts.latent);
    const near = smallest(apart, BLENDED), weights = near.map((n) => 1 / (apart[n] + 1e-9 * view.span ** 2));
    const total = weights.reduce((sum, each) => sum + each, 0);
    near.forEach((n, i) => {
      for (let d = 0; d < code.length; d++) code[d] += (weights[i] / total) * codes[n * code.length + d];
    });
    return code;
  }

  function closest(at) {
    return smallest(distances(current().points, at), 1)[0];
  }

  function nearest(at) {
    const index = closest(place(at)), [x, y] = onCanvas(point(index));
    return Math.hypot(x - at[0], y - at[1]) <= NEAR ? index : null;
  }

  function position(event) {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  function place([x, y]) {
    const { centre, scale, width, height } = view;
    return [centre[0] + (x - width / 2) / scale[0], centre[1] - (y - height / 2) / scale[1]];
  }

  function onCanvas([x, y]) {
    const { centre, scale, width, height } = view;
    return [width / 2 + (x - centre[0]) * scale[0], height / 2 - (y - centre[1]) * scale[1]];
  }

  function frame() {
    const width = canvas.clientWidth, height = canvas.clientHeight, { points } = current();
    const range = [0, 1].map((axis) => {
      const values = points.filter((_, i) => i % 2 === axis).sort();
      return [percentile(values, 0), percentile(values, 1)];
    });
    const spans = range.map(([low, high]) => high - low), span = Math.max(...spans) || 1;
    const filled = [width, height].map((side, axis) => (side - 2 * MARGIN) / (spans[axis] || span));
    const scale = filled.map((each) => Math.min(each, STRETCH * Math.min(...filled)));
    return { width, height, span, scale, centre: range.map(([low, high]) => (low + high) / 2) };
  }

  function draw() {
    if (!explorer.model || !canvas.clientWidth) return;
    const ratio = devicePixelRatio || 1, colours = palette(canvas), { world } = explorer;
    view = frame();
    canvas.width = Math.round(view.width * ratio);
    canvas.height = Math.round(view.height * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    for (let n = 0; n < count(world); n++) {
      const [x, y] = onCanvas(point(n)), label = world.labels.length ? world.labels[n] : 0;
      context.globalAlpha = highlighted === null || highlighted === label ? 0.85 : 0.12;
      context.fillStyle = colours.classes[label % colours.classes.length];
      context.beginPath();
      context.arc(x, y, count(world) > 500 ? 2.5 : 4, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
    if (world.classes.length && world.classes.length <= colours.classes.length) nameClasses(colours);
    if (cursor) cross(onCanvas(cursor), colours);
  }

  /** The names of the classes near their medians, so that colours are not needed to tell them. */
  function nameClasses(colours) {
    const { world } = explorer, { points } = current();
    const names = world.classes.flatMap((name, label) => {
      const of = Array.from(world.labels.keys()).filter((n) => world.labels[n] === label);
      if (!of.length || (highlighted !== null && highlighted !== label)) return [];
      const middle = [0, 1].map((axis) => percentile(Float32Array.from(of, (n) => points[2 * n + axis]).sort(), 0.5));
      return [{ text: name.length > 14 ? `${name.slice(0, 13)}…` : name, at: onCanvas(middle) }];
    });
    writeNames(context, names, colours);
  }

  function cross([x, y], { ink, paper }) {
    for (const [colour, width] of [[paper, 6], [ink, 2.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      context.arc(x, y, 8, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  function choosePlanes() {
    const many = explorer.model.planes.length > 1;
    planes.replaceChildren(...(many ? explorer.model.planes.map(({ name }, at) => make(
      "button",
      { type: "button", "aria-pressed": String(at === shown), onclick: () => ((shown = at), choosePlanes(), restart()) },
      name,
    )) : []));
  }

  function restart() {
    cursor = null;
    help.textContent = words();
    explorer.restore();
    draw();
  }

  function fillLegend() {
    const { classes } = explorer.world;
    if (!classes.length) return legend.replaceChildren();
    const select = make("select", { onchange: () => highlight(select.value === "" ? null : Number(select.value)) });
    select.append(make("option", { value: "" }, "all classes"));
    classes.forEach((name, label) => select.append(make("option", { value: label }, name)));
    legend.replaceChildren(make("label", {}, "Show ", select));
  }

  function highlight(label) {
    highlighted = label;
    draw();
  }
}
