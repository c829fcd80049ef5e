// Honest: how far this browser agrees with Python, and what it costs.

import { fromBase64, typed } from "./numbers.js";
import { make, short } from "./tile.js";
import { pixels } from "./world.js";

const AGREES = 1e-4;
const STEP = 2 ** -10; // of float16, in which a float16 graph may round its codes up or down

/** The largest differences between this browser and onnxruntime in Python on the stored images. */
export async function agreement(explorer, { golden }, model) {
  const [codes, outputs] = [golden.codes, golden.reconstructions].map((text) => typed(Float32Array, fromBase64(text)));
  const size = explorer.world.shape.reduce((product, each) => product * each, 1), { latent } = model.facts;
  const largest = { code: 0, pixel: 0, images: golden.indices.length }, extent = Math.max(1, ...codes.map(Math.abs));
  for (const [n, index] of golden.indices.entries()) {
    const found = await model.client.ask("encode", { images: pixels(explorer.world, index) });
    const theirs = codes.subarray(n * latent, (n + 1) * latent);
    const decoded = await model.client.ask("decode", { codes: theirs.slice(), switches: found.switches });
    largest.code = Math.max(largest.code, furthest(found.codes, theirs));
    largest.pixel = Math.max(largest.pixel, furthest(decoded, outputs.subarray(n * size, (n + 1) * size)));
  }
  const tolerance = (model.facts.precision === "float16" ? STEP : AGREES) * extent;
  return { ...largest, good: largest.pixel <= AGREES && largest.code <= tolerance };
}

function furthest(a, b) {
  return a.reduce((far, value, i) => Math.max(far, Math.abs(value - b[i])), 0);
}

export function startHonest(explorer, panel, data, badge) {
  const table = make("dl", { class: "facts" });
  panel.append(
    make("p", {}, "This page computes with an evaluator of its own. Here it is held against onnxruntime in Python, on images whose results the page carries."),
    table,
  );
  explorer.addEventListener("model", fill);

  function fill() {
    const { model, world } = explorer, { facts, speed } = model;
    table.replaceChildren(...rows([
      ["Model", make("bdi", {}, facts.variant), `, ${facts.latent} numbers, weights in ${facts.precision}`],
      ["Data set", make("bdi", {}, data.dataset), `: ${world.numbers.length.toLocaleString("en")} of ${data.test_images.toLocaleString("en")} test images are here`],
      ["Agreement", model.agreement ? agreementWords(model.agreement) : "not known: only the page's own model carries results of Python"],
      ["Encoding", `${speed.encode.toFixed(1)} ms an image, the median in this browser`],
      ["Decoding", `${speed.decode.toFixed(1)} ms an image${model.live ? "" : "; more than a frame, so that images follow when you let go"}`],
      ["Test error", model.own ? data.error_words : `${short(facts.testMse)}, as its export says`],
      ...(model.own ? [["PCA's error", data.pca_words]] : []),
      ...(model.calibration ? [["Threshold", model.calibration.words]] : []),
      ...(facts.switches.length ? [["Switches", "This decoder also needs where each maximum stood. For codes that come from no image they are borrowed from the test image whose code is nearest."]] : []),
      ...data.notes.map((note) => ["Note", note]),
    ]));
  }

  return {
    tell(found) {
      explorer.model.agreement = found;
      badge.textContent = found.good
        ? `✓ agrees with onnxruntime to ${short(Math.max(found.code, found.pixel))}`
        : `✗ differs from onnxruntime by ${short(Math.max(found.code, found.pixel))}`;
      badge.classList.toggle("bad", !found.good);
      fill();
    },
  };
}

function agreementWords({ images, code, pixel, good }) {
  return `${good ? "" : "Not good: "}codes differ by at most ${short(code)}, pixels by at most ${short(pixel)}, on ${images} ${images === 1 ? "image" : "images"}`;
}

function rows(pairs) {
  return pairs.map(([name, ...value]) => make("div", {}, make("dt", {}, name), make("dd", {}, ...value)));
}
