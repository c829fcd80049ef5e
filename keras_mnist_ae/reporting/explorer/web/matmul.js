// The one loop in which the time goes.

/**
 * The matrix product c (m, n) = a (m, k) · b (k, n) + bias (n), all row by row in memory.
 *
 * Of many rows two meet four columns at once: eight sums stay in registers, and each number that is
 * fetched serves several products. A single row, as of a dense layer, walks `b` in the order of memory.
 */
export function matmul(a, b, bias, m, k, n) {
  const c = new Float32Array(m * n);
  if (bias) for (let row = 0; row < m; row++) c.set(bias, row * n);
  let row = 0;
  for (; row + 1 < m; row += 2) {
    let column = 0;
    for (; column + 3 < n; column += 4) tile(a, b, c, row, column, k, n);
    for (; column < n; column++) {
      c[row * n + column] += product(a, b, row, column, k, n);
      c[(row + 1) * n + column] += product(a, b, row + 1, column, k, n);
    }
  }
  if (row < m) lastRow(a, b, c, row, k, n);
  return c;
}

/** Two rows by four columns of the product. */
function tile(a, b, c, row, column, k, n) {
  const above = row * k, below = above + k, to = row * n + column;
  let s0 = 0, s1 = 0, s2 = 0, s3 = 0, t0 = 0, t1 = 0, t2 = 0, t3 = 0;
  for (let i = 0, at = column; i < k; i++, at += n) {
    const x = a[above + i], y = a[below + i], b0 = b[at], b1 = b[at + 1], b2 = b[at + 2], b3 = b[at + 3];
    s0 += x * b0;
    s1 += x * b1;
    s2 += x * b2;
    s3 += x * b3;
    t0 += y * b0;
    t1 += y * b1;
    t2 += y * b2;
    t3 += y * b3;
  }
  c[to] += s0;
  c[to + 1] += s1;
  c[to + 2] += s2;
  c[to + 3] += s3;
  c[to + n] += t0;
  c[to + n + 1] += t1;
  c[to + n + 2] += t2;
  c[to + n + 3] += t3;
}

/** One number of the product. */
function product(a, b, row, column, k, n) {
  let sum = 0;
  for (let i = 0; i < k; i++) sum += a[row * k + i] * b[i * n + column];
  return sum;
}

/** A row of the product: four rows of `b` at a time, none where all four factors are 0. */
function lastRow(a, b, c, row, k, n) {
  const from = row * k, to = row * n;
  let i = 0;
  for (; i + 3 < k; i += 4) {
    const a0 = a[from + i], a1 = a[from + i + 1], a2 = a[from + i + 2], a3 = a[from + i + 3];
    if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue;
    let at = i * n;
    for (let j = 0; j < n; j++, at++) {
      c[to + j] += a0 * b[at] + a1 * b[at + n] + a2 * b[at + 2 * n] + a3 * b[at + 3 * n];
    }
  }
  for (; i < k; i++) {
    for (let j = 0; j < n; j++) c[to + j] += a[from + i] * b[i * n + j];
  }
}
