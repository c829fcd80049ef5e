// What the page carries: test images with labels, and what was measured of them in Python.

import { fromBase64, typed } from "./numbers.js";

/**
 * The images of the page and all that holds whatever model looks at them.
 *
 * `images` are bytes, channels last, one image behind the other; `shape` is [height, width, channels];
 * `numbers` are their places in the test set; `labels` index `classes`, and are empty without labels.
 */
export async function readWorld(data) {
  return {
    images: await unpackSprite(data.sprite, data.numbers.length, data.image),
    shape: data.image,
    numbers: data.numbers,
    classes: data.classes,
    labels: typed(Uint16Array, fromBase64(data.labels)),
    dataset: data.dataset,
    preparation: data.preparation,
  };
}

/** The images in a picture that holds them side by side, line by line. */
async function unpackSprite({ png, columns }, count, [height, width, channels]) {
  const picture = new Image();
  picture.src = `data:image/png;base64,${png}`;
  await picture.decode();
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const { data, width: across } = context.getImageData(0, 0, picture.width, picture.height);
  const images = new Uint8Array(count * height * width * channels);
  const planes = channels === 3 ? 1 : channels; // colours lie in one tile, other channels side by side
  let at = 0;
  for (let n = 0; n < count; n++) {
    const left = (n % columns) * width * planes, top = Math.floor(n / columns) * height;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < channels; c++, at++) {
          const from = (top + y) * across + left + x + (planes > 1 ? c * width : 0);
          images[at] = data[4 * from + (channels === 3 ? c : 0)];
        }
      }
    }
  }
  return images;
}

/** How many images there are. */
export function count(world) {
  return world.numbers.length;
}

/** An image as float32 in [0, 1], or several one behind the other. */
export function pixels(world, index, many = 1) {
  const size = world.shape.reduce((product, each) => product * each, 1);
  return Float32Array.from(world.images.subarray(index * size, (index + many) * size), (byte) => byte / 255);
}

/** The name of an image: its place in the test set, and its class. */
export function title(world, index) {
  const name = className(world, index);
  return `Test image ${world.numbers[index].toLocaleString("en")}${name === null ? "" : `, class ${isolated(name)}`}`;
}

/** A name from elsewhere within a sentence, whose direction it cannot change. */
export function isolated(name) {
  return `\u2068${name.replace(/[\u2066-\u2069]/g, "")}\u2069`;
}

/** The name of its class, null without labels. */
export function className(world, index) {
  return world.labels.length ? world.classes[world.labels[index]] : null;
}

/** The `most` indices of the smallest values, the smallest first. */
export function smallest(values, most) {
  return Array.from(values.keys()).sort((a, b) => values[a] - values[b]).slice(0, most);
}

/** Squared distances of a point to points that lie one behind the other. */
export function distances(points, point) {
  const size = point.length, result = new Float64Array(points.length / size);
  for (let n = 0; n < result.length; n++) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += (points[n * size + i] - point[i]) ** 2;
    result[n] = sum;
  }
  return result;
}

/** The test image that looks most like this one, by the squared differences of the pixels. */
export function lookalike(world, image) {
  const bytes = image.map((value) => value * 255);
  return smallest(distances(world.images, bytes), 1)[0];
}

/** The mean squared difference of two images. */
export function meanSquare(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2;
  return sum / a.length;
}
