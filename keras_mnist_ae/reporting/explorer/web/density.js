// Where new codes come from.

import { fromBase64, fromHalf, typed } from "./numbers.js";

/** A number of the standard normal distribution (Box and Muller 1958). */
export function normal(random = Math.random) {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** `words` for the reader and `sample()`, a new code, of the density that the page carries. */
export function readDensity(data, size) {
  if (data.kind === "prior") {
    return {
      words: "the standard normal distribution, the prior towards which the encoder was trained",
      sample: (random) => Float32Array.from({ length: size }, () => normal(random)),
    };
  }
  if (data.kind === "none") return null;
  const weights = typed(Float32Array, fromBase64(data.weights));
  const means = typed(Float32Array, fromBase64(data.means));
  const factors = fromHalf(typed(Uint16Array, fromBase64(data.factors)));
  return {
    words: `a mixture of ${weights.length} Gaussians, fitted to ${data.fitted.toLocaleString("en")} training codes`,
    sample: (random) => mixtureSample(weights, means, factors, size, random),
  };
}

/** mean + L z of a component drawn by its weight; L, row by row, is a lower triangle. */
function mixtureSample(weights, means, factors, size, random = Math.random) {
  let chance = random(), component = 0;
  while (component < weights.length - 1 && chance >= weights[component]) chance -= weights[component++];
  const z = Array.from({ length: size }, () => normal(random));
  const code = means.slice(component * size, (component + 1) * size);
  let at = component * ((size * (size + 1)) / 2);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column <= row; column++) code[row] += factors[at++] * z[column];
  }
  return code;
}

/** A single Gaussian with mean and covariance of these codes, which it combines at random. */
export function gaussianOf(codes, size, mean) {
  const count = codes.length / size;
  return {
    words: `a Gaussian, fitted to the codes of the ${count.toLocaleString("en")} images of this page`,
    sample(random) {
      const code = mean.slice();
      for (let n = 0; n < count; n++) {
        const factor = normal(random) / Math.sqrt(Math.max(1, count - 1));
        for (let d = 0; d < size; d++) code[d] += factor * (codes[n * size + d] - mean[d]);
      }
      return code;
    },
  };
}
