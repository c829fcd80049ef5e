// Drawings and pictures made into images as the data set has them.

const INK = 0.1; // what is darker is background
const BOX = 20 / 28; // side of the box into which MNIST's digits were scaled, of the image's side

/**
 * The part of an image that a box cuts out, at another size: each new pixel is the mean of what it
 * covers. What lies outside the image is 0.
 *
 * @param {Float32Array} values channels last
 * @param {number[]} shape [height, width, channels]
 * @param {number[]} box [left, top, right, bottom], in pixels of the image
 * @param {number[]} size [height, width] of the result
 */
export function cut(values, [height, width, channels], [left, top, right, bottom], [rows, columns]) {
  const result = new Float32Array(rows * columns * channels);
  const down = shares(top, bottom, rows, height), along = shares(left, right, columns, width);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const to = (row * columns + column) * channels;
      for (const [y, shareY] of down[row]) {
        for (const [x, shareX] of along[column]) {
          const from = (y * width + x) * channels;
          for (let c = 0; c < channels; c++) result[to + c] += shareY * shareX * values[from + c];
        }
      }
    }
  }
  return result;
}

/** For each of `parts` between two places: the pixels that it covers, each with its share of it. */
function shares(from, to, parts, size) {
  const step = (to - from) / parts;
  return Array.from({ length: parts }, (_, part) => {
    const start = from + part * step, end = start + step, found = [];
    for (let pixel = Math.max(0, Math.floor(start)); pixel < Math.min(size, end); pixel++) {
      const covered = Math.min(end, pixel + 1) - Math.max(start, pixel);
      if (covered > 0) found.push([pixel, covered / step]);
    }
    return found;
  });
}

/**
 * A drawing as MNIST has its digits (LeCun et al. 1998): scaled until it fills a box of 20 x 20
 * pixels, with its centre of mass in the middle of the 28 x 28. Null where there is no ink.
 */
export function centred(values, [height, width], size) {
  let [left, top, right, bottom, mass, massX, massY] = [width, height, 0, 0, 0, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const ink = values[y * width + x];
      if (ink <= INK) continue;
      [left, top] = [Math.min(left, x), Math.min(top, y)];
      [right, bottom] = [Math.max(right, x + 1), Math.max(bottom, y + 1)];
      mass += ink;
      massX += ink * (x + 0.5);
      massY += ink * (y + 0.5);
    }
  }
  if (!mass) return null;
  const [rows, columns] = size, scale = Math.max((right - left) / (BOX * columns), (bottom - top) / (BOX * rows));
  const x0 = massX / mass - (columns / 2) * scale, y0 = massY / mass - (rows / 2) * scale;
  return cut(values, [height, width, 1], [x0, y0, x0 + columns * scale, y0 + rows * scale], size);
}

/** The pixels of a canvas in [0, 1], as grey (by luminance), colours, or colours with opacity. */
export function fromCanvas({ data, width, height }, channels) {
  const values = new Float32Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    const [red, green, blue, alpha] = data.subarray(4 * i, 4 * i + 4);
    if (channels === 1) values[i] = (0.299 * red + 0.587 * green + 0.114 * blue) / 255;
    else values.set([red / 255, green / 255, blue / 255, alpha / 255].slice(0, channels), i * channels);
  }
  return values;
}

/** Light on dark: the negative, where the border of a grey picture is light. */
export function lightOnDark(values, [height, width]) {
  let border = 0, many = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (x && y && x < width - 1 && y < height - 1) continue;
      border += values[y * width + x];
      many++;
    }
  }
  return border / many > 0.5 ? values.map((value) => 1 - value) : values;
}

/** A drawing or picture of any size as an image of the data set; null where there is nothing. */
export function prepare(values, shape, [height, width, channels], preparation) {
  if (preparation === "mnist" && channels === 1) return centred(values, shape, [height, width]);
  const scale = Math.min(shape[0] / height, shape[1] / width); // covers the image, cropped at the centre
  const [high, wide] = [height * scale, width * scale], left = (shape[1] - wide) / 2, top = (shape[0] - high) / 2;
  return cut(values, shape, [left, top, left + wide, top + high], [height, width]);
}
