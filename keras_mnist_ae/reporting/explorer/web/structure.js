// Structural similarity of two images, channels last, as analysis/structure.py computes it.

const WINDOW = 7; // pixels of a side
const LUMINANCE = 0.01 ** 2, CONTRAST = 0.03 ** 2;
const CELLS = 8; // of a side of the grid

/** The similarity of each window, averaged over the channels, row by row. */
export function similarity(image, other, [height, width, channels]) {
  const least = Math.min(height, width), side = Math.min(WINDOW, least - 1 + (least % 2));
  const rows = height - side + 1, columns = width - side + 1, values = new Float64Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) {
        values[y * columns + x] += ofWindow(image, other, ((y * width + x) * channels) + c, side, width, channels) / channels;
      }
    }
  }
  return { values, rows, columns };
}

function ofWindow(image, other, start, side, width, channels) {
  const count = side * side, unbiased = count > 1 ? count / (count - 1) : 1;
  let a = 0, b = 0, squares = 0, products = 0;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const at = start + (y * width + x) * channels;
      a += image[at];
      b += other[at];
      squares += image[at] ** 2 + other[at] ** 2;
      products += image[at] * other[at];
    }
  }
  a /= count;
  b /= count;
  const variances = unbiased * (squares / count - a * a - b * b), covariance = unbiased * (products / count - a * b);
  return ((2 * a * b + LUMINANCE) * (2 * covariance + CONTRAST)) / ((a * a + b * b + LUMINANCE) * (variances + CONTRAST));
}

/** The means of a map of similarities over a grid of cells. */
export function cells({ values, rows, columns }) {
  const [down, across] = [rows, columns].map((size) => edges(size)), means = [];
  for (let i = 1; i < down.length; i++) {
    for (let j = 1; j < across.length; j++) {
      let sum = 0;
      for (let y = down[i - 1]; y < down[i]; y++) {
        for (let x = across[j - 1]; x < across[j]; x++) sum += values[y * columns + x];
      }
      means.push(sum / ((down[i] - down[i - 1]) * (across[j] - across[j - 1])));
    }
  }
  return means;
}

function edges(size) {
  const parts = Math.min(CELLS, size);
  return Array.from({ length: parts + 1 }, (_, i) => Math.floor((i * size) / parts));
}

/** 1 - SSIM. */
export function dissimilarity({ values }) {
  return 1 - values.reduce((sum, each) => sum + each, 0) / values.length;
}
