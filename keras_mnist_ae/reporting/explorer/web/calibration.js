// The threshold of “kae calibrate”, above which an image counts as strange.

import { fromBase64, typed } from "./numbers.js";
import { short } from "./tile.js";

/**
 * The calibration that the page carries, null without one. Its `judge(error, code)` tells whether an
 * image of that mean squared error and code is flagged; null where the page cannot compute the score.
 */
export function readCalibration(data) {
  if (!data) return null;
  const { score, meaning, threshold, factors, false_alarms: alarms } = data;
  const promise = `at most ${Number((100 * alarms).toPrecision(3))}\u00a0% of normal images, in expectation`;
  const words = `${score} (${meaning}) above ${short(threshold)} is flagged: ${promise}`;
  if (!factors) return { words: `${words}. This page does not compute that score`, judge: null };
  const [mean, precision] = [data.mean, data.precision].map((text) => typed(Float32Array, fromBase64(text)));
  return {
    words,
    judge(error, code) {
      const value = factors[0] * error + factors[1] * distance(code, mean, precision);
      return { value, threshold, score, flagged: value > threshold };
    },
  };
}

/** (code - mean)' P (code - mean) per number of the code; of P, symmetric, the lower triangle row by row. */
function distance(code, mean, precision) {
  let sum = 0, at = 0;
  for (let row = 0; row < code.length; row++) {
    const along = code[row] - mean[row];
    for (let column = 0; column < row; column++) sum += 2 * precision[at++] * along * (code[column] - mean[column]);
    sum += precision[at++] * along * along;
  }
  return sum / code.length;
}
