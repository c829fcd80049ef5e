// Another model: an export of this package, dropped on the page.

import { openOther } from "./explorer.js";
import { make, short } from "./tile.js";
import { count } from "./world.js";

const WANTED = ["encoder.onnx", "decoder.onnx", "manifest.json"];
const LARGEST = 256e6; // bytes of a file
const FILES = 2000; // entries of a dropped folder that are looked at

export function startOther(explorer, panel, { own, source }) {
  const words = make("p", { class: "answer", role: "status" });
  const file = make("input", { type: "file", multiple: true, webkitdirectory: true, class: "hidden", onchange: () => take([...file.files]) });
  const back = make("button", { type: "button", hidden: true, onclick: restore }, "Back to the model of this page");
  panel.append(
    make("p", {}, "Drop a folder that “kae export onnx” wrote anywhere on this page, or choose it. Its model then looks at the same test images, and everything here is its own."),
    make("div", { class: "row" }, make("button", { type: "button", onclick: () => file.click() }, "Choose a folder…"), file, back),
    words,
  );

  let newest = null;

  /** Opens an export; one that comes meanwhile takes its place. */
  async function take(files) {
    newest = files;
    file.value = "";
    const tell = (n) => {
      if (newest !== files) throw new Error("Another folder came.");
      words.textContent = `Encoding the images of this page: ${n} of ${count(explorer.world)}`;
    };
    try {
      const model = await openOther(await readFiles(files), explorer.world, source, tell);
      const previous = explorer.model;
      await explorer.adopt(model);
      if (!previous.own) previous.client.stop("Another model came.");
      back.hidden = false;
      words.replaceChildren(...comparison(model, own, explorer.world));
    } catch (error) {
      if (newest === files) words.textContent = `This cannot be used. ${error.message}`;
    }
  }

  async function restore() {
    const other = explorer.model;
    newest = null;
    await explorer.adopt(own);
    other.client.stop("The page's own model is back.");
    back.hidden = true;
    words.textContent = "";
  }

  /** Files of a drop: those of a folder, or the files themselves. */
  async function drop(transfer) {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
    const files = [];
    for (const entry of entries) await collect(entry, files);
    return files;
  }

  return { take, drop };
}

async function collect(entry, files) {
  if (files.length >= FILES) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length || files.length >= FILES) return;
    for (const each of part) if (each.isDirectory || WANTED.includes(each.name)) await collect(each, files);
  }
}

/** Encoder and decoder of an export, held against its manifest where there is one. */
async function readFiles(files) {
  const byName = {};
  for (const name of WANTED) {
    const all = files.filter((each) => each.name === name);
    if (all.length > 1) throw new Error(`There are several files ${name}: drop the folder of one export.`);
    if (all.length && all[0].size > LARGEST) throw new Error(`${name} is larger than ${LARGEST / 1e6} MB.`);
    byName[name] = all.length ? new Uint8Array(await all[0].arrayBuffer()) : null;
  }
  const [encoder, decoder, manifest] = WANTED.map((name) => byName[name]);
  if (!encoder || !decoder) {
    throw new Error("It holds no encoder.onnx and decoder.onnx. “kae export onnx” writes them into the folder onnx of a run.");
  }
  if (manifest) await check(manifest, { "encoder.onnx": encoder, "decoder.onnx": decoder });
  return { encoder, decoder };
}

async function check(manifest, files) {
  let graphs;
  try {
    graphs = JSON.parse(new TextDecoder().decode(manifest)).graphs.map(({ file, sha256 }) => [file, sha256]);
  } catch {
    throw new Error("Its manifest.json is damaged or of another program.");
  }
  if (!globalThis.crypto?.subtle) return; // browsers have it on https and on file pages alone
  for (const [name, bytes] of Object.entries(files)) {
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (new Map(graphs).get(name) !== hex) throw new Error(`${name} is not the file that its manifest.json names.`);
  }
}

function comparison(model, own, world) {
  const mean = (errors) => errors.reduce((sum, each) => sum + each, 0) / errors.length;
  return [
    make("b", {}, make("bdi", {}, model.facts.variant)), ` with ${model.facts.latent} numbers looks at the page now. Its mean squared error on the ${count(world)} images here is ${short(mean(model.errors))}; that of the page's own `, make("bdi", {}, own.facts.variant), ` with ${own.facts.latent} is ${short(mean(own.errors))}.`,
  ];
}
