// The state of the page: images, a model that looks at them, and the view on the stage.

import { readCalibration } from "./calibration.js";
import { latest, startWorker } from "./client.js";
import { gaussianOf, readDensity } from "./density.js";
import { fromBase64, typed } from "./numbers.js";
import { dimensions, plane, project, rank } from "./statistics.js";
import { count, distances, lookalike, meanSquare, pixels, smallest, title } from "./world.js";

const FRAME = 16; // milliseconds: what takes longer to decode is decoded on release
const MEASURED = { least: 3, most: 15, within: 500 }; // rounds of timing, and milliseconds for them

/** Opens the model that the page carries and measures it in this browser. */
export async function openOwn(data, world, source) {
  const client = startWorker(source);
  const facts = await client.ask("open", { encoder: fromBase64(data.encoder), decoder: fromBase64(data.decoder) });
  const planes = data.planes.map(({ name, points }) => ({ name, points: typed(Float32Array, fromBase64(points)) }));
  const model = describe(client, facts, readCodes(data, facts.latent), typed(Float32Array, fromBase64(data.errors)));
  return {
    ...model,
    own: true,
    density: readDensity(data.density, facts.latent),
    calibration: readCalibration(data.calibration, world.shape),
    planes: [...model.planes, ...planes],
  };
}

/** Another model, opened and run over the images of the page; `tell` hears how far it is. */
export async function openOther(files, world, source, tell) {
  const client = startWorker(source);
  try {
    const facts = await client.ask("open", files);
    if (String(facts.image) !== String(world.shape)) {
      throw new Error(`It takes images of ${facts.image.join(" x ")}; those of this page are ${world.shape.join(" x ")}.`);
    }
    const codes = new Float32Array(count(world) * facts.latent), errors = new Float32Array(count(world));
    for (let n = 0; n < count(world); n++) {
      const image = pixels(world, n), found = await client.ask("reconstruct", { images: image });
      codes.set(found.codes, n * facts.latent);
      errors[n] = meanSquare(image, found.images);
      if (n % 100 === 0) tell(n);
    }
    tell(count(world));
    const model = describe(client, facts, codes, errors);
    return { ...model, own: false, density: model.collapsed ? null : gaussianOf(codes, facts.latent, model.statistics.mean) };
  } catch (error) {
    client.stop("Another model was dropped.");
    throw error;
  }
}

function describe(client, facts, codes, errors) {
  const statistics = dimensions(codes, facts.latent), flat = plane(codes, facts.latent, statistics.mean);
  const spread = statistics.variance.reduce((sum, each) => sum + each, 0);
  const size = codes.reduce((sum, each) => sum + each * each, 0) / Math.max(1, errors.length);
  return {
    client, facts, codes, errors, statistics, plane: flat,
    sortedErrors: errors.slice().sort(),
    collapsed: errors.length > 1 && !(spread > 1e-6 * size),
    planes: [{ name: "PCA", points: project(codes, flat), plane: flat }],
    live: true,
  };
}

/** Codes are stored as 256 steps over the range of each dimension; a picked image is encoded anew. */
function readCodes({ codes: { steps, low, high } }, size) {
  const bytes = fromBase64(steps), [from, to] = [low, high].map((text) => typed(Float32Array, fromBase64(text)));
  return Float32Array.from(bytes, (step, i) => from[i % size] + (step / 255) * (to[i % size] - from[i % size]));
}

/** What the parts of the page share: events are "model", "picked" (to go on from) and "view" (to look at). */
export class Explorer extends EventTarget {
  constructor(world) {
    super();
    this.world = world;
    this.lenders = new Map(); // pooling switches of test images, by index
    this.preview = latest(async (make) => this.#show(await make()));
  }

  /** Lets another model look at the images. */
  async adopt(model) {
    this.model = model;
    this.lenders.clear();
    this.#show(await this.viewIndex(this.picked?.index ?? 0)); // the first picture soon
    await this.measureSpeed();
    this.dispatchEvent(new Event("model"));
    await this.pickIndex(this.picked?.index ?? 0);
  }

  /** The median times of encoding an image and of decoding a code, in the worker. */
  async measureSpeed() {
    const { client, codes, facts } = this.model, times = { encode: [], decode: [] };
    const code = codes.slice(0, facts.latent), image = pixels(this.world, 0);
    const { switches } = await client.ask("encode", { images: image });
    const start = performance.now(), { least, most, within } = MEASURED;
    for (let i = 0; i < most && (i < least || performance.now() - start < within); i++) {
      times.encode.push((await client.timed("encode", { images: image })).milliseconds);
      times.decode.push((await client.timed("decode", { codes: code, switches })).milliseconds);
    }
    const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    this.model.speed = { encode: median(times.encode), decode: median(times.decode) };
    this.model.live = this.model.speed.decode <= FRAME;
  }

  /** The view of an image: itself, its code, what becomes of it. */
  async viewImage(image, name, index = null) {
    const { codes, switches, images } = await this.model.client.ask("reconstruct", { images: image });
    const error = meanSquare(image, images), { sortedErrors, calibration } = this.model;
    const verdict = calibration?.judge?.({ error, code: codes, image, output: images });
    const found = { error, rank: rank(sortedErrors, error), verdict };
    return { kind: "image", image, name, index, code: codes, switches, output: images, ...found };
  }

  /** The view of a code that comes from no image, beside the test image that looks most like it. */
  async viewCode(code, name, index = null) {
    const output = await this.decode(code), nearest = lookalike(this.world, output);
    const image = pixels(this.world, nearest);
    return { kind: "code", image, name, index: nearest, from: index, code, output, error: meanSquare(image, output) };
  }

  viewIndex(index) {
    return this.viewImage(pixels(this.world, index), title(this.world, index), index);
  }

  /** Decodes a code; pooling switches are borrowed from the test image whose code is nearest. */
  async decode(code) {
    return this.model.client.ask("decode", { codes: code, switches: await this.lentSwitches(code) });
  }

  async lentSwitches(code) {
    if (!this.model.facts.switches.length) return [];
    const lender = smallest(distances(this.model.codes, code), 1)[0];
    if (!this.lenders.has(lender)) {
      const { switches } = await this.model.client.ask("encode", { images: pixels(this.world, lender) });
      this.lenders.set(lender, switches);
    }
    return this.lenders.get(lender);
  }

  /** Takes a view as the one to go on from. */
  pick(view) {
    this.picked = view;
    this.dispatchEvent(new Event("picked"));
    this.#show(view);
  }

  async pickIndex(index) {
    this.pick(await this.viewIndex(index));
  }

  /** Shows what was picked again, after something else was looked at. */
  restore() {
    if (this.picked) this.preview(async () => this.picked);
  }

  /** Says something to those who listen to the page. */
  say(text) {
    this.dispatchEvent(new CustomEvent("said", { detail: text }));
  }

  #show(view) {
    this.view = view;
    this.dispatchEvent(new Event("view"));
  }
}
