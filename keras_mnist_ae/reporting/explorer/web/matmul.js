// The one loop in which the time goes.

/**
 * The matrix product c (m, n) = a (m, k) · b (k, n) + bias (n), all row by row in memory.
 *
 * Four rows of `b` are added at once, so that each number of `c` is fetched and stored once for four
 * products; where all four factors are 0, as after Relu, nothing is to be done.
 */
export function matmul(a, b, bias, m, k, n) {
  const c = new Float32Array(m * n), whole = k - (k % 4);
  for (let row = 0; row < m; row++) {
    const from = row * k, to = row * n;
    if (bias) c.set(bias, to);
    for (let i = 0; i < whole; i += 4) {
      const a0 = a[from + i], a1 = a[from + i + 1], a2 = a[from + i + 2], a3 = a[from + i + 3];
      if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue;
      const b0 = i * n, b1 = b0 + n, b2 = b1 + n, b3 = b2 + n;
      for (let j = 0; j < n; j++) {
        c[to + j] += a0 * b[b0 + j] + a1 * b[b1 + j] + a2 * b[b2 + j] + a3 * b[b3 + j];
      }
    }
    for (let i = whole; i < k; i++) {
      const factor = a[from + i], at = i * n;
      for (let j = 0; j < n; j++) c[to + j] += factor * b[at + j];
    }
  }
  return c;
}
