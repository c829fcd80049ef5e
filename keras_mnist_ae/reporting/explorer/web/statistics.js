// What the codes of the page's images have in common.

/**
 * Mean, 1st and 99th percentile of each dimension, and the dimensions by their variance.
 *
 * @param {Float32Array} codes one behind the other
 * @param {number} size numbers in a code
 */
export function dimensions(codes, size) {
  const count = codes.length / size, mean = new Float32Array(size), variance = new Float64Array(size);
  const low = new Float32Array(size), high = new Float32Array(size), column = new Float64Array(count);
  for (let d = 0; d < size; d++) {
    for (let n = 0; n < count; n++) column[n] = codes[n * size + d];
    column.sort();
    mean[d] = column.reduce((sum, value) => sum + value, 0) / count;
    variance[d] = column.reduce((sum, value) => sum + (value - mean[d]) ** 2, 0) / count;
    low[d] = percentile(column, 0.01);
    high[d] = percentile(column, 0.99);
  }
  const order = Array.from(variance.keys()).sort((a, b) => variance[b] - variance[a]);
  return { mean, variance, low, high, order };
}

/** The value below which that share of sorted values lies, between neighbours in proportion. */
export function percentile(sorted, share) {
  const place = share * (sorted.length - 1), below = Math.floor(place), above = Math.ceil(place);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - below);
}

/** The share of sorted values that are smaller. */
export function rank(sorted, value) {
  let low = 0, high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low / sorted.length;
}

/**
 * The two directions in which the codes vary most (PCA), by subspace iteration.
 *
 * @returns {{mean: Float32Array, axes: Float64Array[]}} axes of length 1, or of zeros where the
 *   codes vary in fewer directions; the largest number of each is positive
 */
export function plane(codes, size, mean) {
  const count = codes.length / size;
  let axes = [0, 1].map((which) => Float64Array.from({ length: size }, (_, d) => Math.cos((d + 1) * (which + 1.3))));
  let before = 0;
  for (let round = 0; round < 300; round++) {
    axes = orthonormal(axes.map((axis) => timesCovariance(axis)));
    const now = axes.reduce((sum, axis) => sum + dot(axis, timesCovariance(axis)), 0);
    if (Math.abs(now - before) <= 1e-10 * now) break;
    before = now;
  }
  return { mean, axes: rotated(axes).map(signed) };

  function timesCovariance(axis) {
    const result = new Float64Array(size);
    for (let n = 0; n < count; n++) {
      let along = 0;
      for (let d = 0; d < size; d++) along += (codes[n * size + d] - mean[d]) * axis[d];
      for (let d = 0; d < size; d++) result[d] += (along / count) * (codes[n * size + d] - mean[d]);
    }
    return result;
  }

  /** The same plane with the axis of the largest variance first. */
  function rotated([first, second]) {
    const a = dot(first, timesCovariance(first)), c = dot(second, timesCovariance(second));
    const b = dot(first, timesCovariance(second)), angle = Math.atan2(2 * b, a - c) / 2;
    const cos = Math.cos(angle), sin = Math.sin(angle);
    return [first.map((value, d) => cos * value + sin * second[d]), second.map((value, d) => cos * value - sin * first[d])];
  }
}

/** Places of codes on a plane, two numbers each. */
export function project(codes, { mean, axes }) {
  const size = mean.length, points = new Float32Array((codes.length / size) * 2);
  for (let n = 0; n < codes.length / size; n++) {
    axes.forEach((axis, which) => {
      for (let d = 0; d < size; d++) points[2 * n + which] += (codes[n * size + d] - mean[d]) * axis[d];
    });
  }
  return points;
}

/** The code at a place of the plane; what the plane does not show is that of the mean code. */
export function lift([x, y], { mean, axes }) {
  return mean.map((value, d) => value + x * axes[0][d] + y * axes[1][d]);
}

function orthonormal([first, second]) {
  const one = unit(first), along = dot(one, second);
  return [one, unit(second.map((value, d) => value - along * one[d]), Math.sqrt(dot(second, second)))];
}

/** Length 1; zeros for what is rounding beside the length that it had. */
function unit(vector, before = 0) {
  const length = Math.sqrt(dot(vector, vector));
  return length > 1e-9 * before && length > 1e-30 ? vector.map((value) => value / length) : vector.map(() => 0);
}

function dot(a, b) {
  let sum = 0;
  for (let d = 0; d < a.length; d++) sum += a[d] * b[d];
  return sum;
}

function signed(axis) {
  const largest = axis.reduce((far, value) => (Math.abs(value) > Math.abs(far) ? value : far), 0);
  return largest < 0 ? axis.map((value) => -value) : axis;
}
