// The threshold of “kae calibrate”, above which an image counts as strange.

import { fromBase64, typed } from "./numbers.js";
import { cells, dissimilarity, similarity } from "./structure.js";
import { short } from "./tile.js";

/**
 * The calibration that the page carries, null without one. Its `judge({ error, code, image, output })`
 * tells whether an image of that mean squared error, code and reconstruction is flagged; null where
 * the page cannot compute the score.
 */
export function readCalibration(data, shape) {
  if (!data) return null;
  const { score, meaning, threshold, terms, false_alarms: alarms } = data;
  const promise = `at most ${Number((100 * alarms).toPrecision(3))}\u00a0% of normal images, in expectation`;
  const words = `${score} (${meaning}) above ${short(threshold)} is flagged: ${promise}`;
  if (!terms) return { words: `${words}. This page does not compute that score`, judge: null };
  const [mean, precision] = [data.mean, data.precision].map((text) => typed(Float32Array, fromBase64(text)));
  const computed = {
    error: ({ error }) => error,
    code: ({ code }) => distance(code, mean, precision),
    ssim: ({ image, output }) => dissimilarity(similarity(image, output, shape)),
    structure: ({ image, output }) => distance(cells(similarity(image, output, shape)), mean, precision),
  };
  return {
    words,
    judge(view) {
      const value = Object.entries(terms).reduce((sum, [name, factor]) => sum + factor * computed[name](view), 0);
      return { value, threshold, score, flagged: value > threshold };
    },
  };
}

/** A verdict in words. */
export function judgement({ flagged, score, value, threshold }) {
  const place = flagged ? "above" : "within";
  return `${flagged ? "Flagged" : "Not flagged"}: its ${score} ${short(value)} is ${place} the threshold ${short(threshold)}.`;
}

/** (v - mean)' P (v - mean) per number of the vector; of P, symmetric, the lower triangle row by row. */
function distance(vector, mean, precision) {
  let sum = 0, at = 0;
  for (let row = 0; row < vector.length; row++) {
    const along = vector[row] - mean[row];
    for (let column = 0; column < row; column++) sum += 2 * precision[at++] * along * (vector[column] - mean[column]);
    sum += precision[at++] * along * along;
  }
  return sum / vector.length;
}
