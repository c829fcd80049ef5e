// Arrays of float32 with dimensions. Four dimensions are named (batch, channels, height, width), as
// in ONNX, but lie channels last in memory: the numbers of one pixel side by side.

import { Refusal } from "./protobuf.js";

const LARGEST = 2 ** 25; // numbers in a tensor

/** A tensor of these dimensions, of zeros unless its numbers are there. */
export function tensor(dims, data) {
  const size = dims.reduce((product, each) => product * each, 1);
  if (!dims.every((each) => Number.isInteger(each) && each >= 0) || size > LARGEST) {
    throw new Refusal(`A tensor of ${dims.join(" x ") || "no"} numbers is too large or impossible.`);
  }
  if (data && data.length !== size) {
    throw new Refusal(`${data.length} numbers do not fill a tensor of ${dims.join(" x ")}.`);
  }
  return { dims, data: data ?? new Float32Array(size) };
}

/** A new tensor of the same dimensions: `change` of every number. */
export function map(x, change) {
  const { data } = x, result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) result[i] = change(data[i]);
  return tensor(x.dims, result);
}

/** `combine` of two tensors of the same dimensions, or of one and a single number. */
export function zip(a, b, combine) {
  const large = a.data.length >= b.data.length ? a : b;
  const stepA = step(a, large), stepB = step(b, large);
  const result = new Float32Array(large.data.length);
  for (let i = 0; i < result.length; i++) result[i] = combine(a.data[i * stepA], b.data[i * stepB]);
  return tensor(large.dims, result);
}

function step(x, large) {
  if (x.data.length === 1) return 0;
  if (String(x.dims) === String(large.dims)) return 1;
  throw new Refusal(`Tensors of ${x.dims.join(" x ")} and ${large.dims.join(" x ")} do not fit together.`);
}

/** A (height, width) tensor repeated over all images and channels of `like`. */
export function spread(x, like) {
  const [batch, channels, height, width] = like.dims;
  if (x.dims.length !== 2 || x.dims[0] !== height || x.dims[1] !== width) return x;
  const result = tensor(like.dims), pixels = height * width;
  for (let i = 0; i < batch * pixels; i++) {
    result.data.fill(x.data[i % pixels], i * channels, (i + 1) * channels);
  }
  return result;
}

/** Four dimensions to (batch, numbers) in the order of ONNX: channel, row, column. */
export function flatten(x) {
  const [batch, ...rest] = x.dims, size = rest.reduce((product, each) => product * each, 1);
  return tensor([batch, size], rest.length === 3 ? channelsFirst(x) : x.data);
}

/** The other way round: (batch, numbers) to (batch, channels, height, width). */
export function unflatten(x, dims) {
  const [batch, channels, height, width] = dims;
  const flat = tensor(dims, x.data).data, result = tensor(dims), pixels = height * width;
  for (let n = 0; n < batch; n++) {
    const start = n * channels * pixels;
    for (let c = 0; c < channels; c++) {
      for (let i = 0; i < pixels; i++) result.data[start + i * channels + c] = flat[start + c * pixels + i];
    }
  }
  return result;
}

function channelsFirst(x) {
  const [batch, channels, height, width] = x.dims, pixels = height * width;
  if (pixels === 1 || channels === 1) return x.data;
  const result = new Float32Array(x.data.length);
  for (let n = 0; n < batch; n++) {
    const start = n * channels * pixels;
    for (let i = 0; i < pixels; i++) {
      for (let c = 0; c < channels; c++) result[start + c * pixels + i] = x.data[start + i * channels + c];
    }
  }
  return result;
}
