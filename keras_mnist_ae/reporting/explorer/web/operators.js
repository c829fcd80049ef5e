// What each ONNX operator computes: a table from its name to a function of inputs and attributes.

import { roundHalfEven, roundToHalf } from "./numbers.js";
import { Refusal } from "./protobuf.js";
import { flatten, map, spread, tensor, unflatten, zip } from "./tensor.js";
import { averagePool, conv, convTranspose, gemm, maxPool, twice } from "./windows.js";

export const OPERATORS = {
  Conv: ([x, weight, bias], attributes) => conv(x, weight, bias, attributes),
  ConvTranspose: ([x, weight, bias], attributes) => convTranspose(x, weight, bias, attributes),
  Gemm: ([x, weight, bias]) => gemm(x, weight, bias),
  MaxPool: ([x], attributes) => maxPool(x, attributes),
  GlobalAveragePool: ([x]) => averagePool(x),
  Flatten: ([x], { half }) => halved(flatten(x), half),
  Reshape: ([x, shape], { half }) => halved(unflatten(x, [x.dims[0], ...Array.from(shape.data).slice(1)]), half),
  Mul: ([a, b]) => (isPerOutput(b, a) ? scaled(a, b) : zip(a, b, (x, y) => x * y)),
  Add: ([a, b]) => zip(a, b, (x, y) => x + y),
  Relu: ([x]) => map(x, (value) => (value < 0 ? 0 : value)), // NaN stays NaN
  Tanh: ([x]) => map(x, Math.tanh),
  Sigmoid: ([x]) => map(x, (value) => 1 / (1 + Math.exp(-value))),
  Equal: ([a, b]) => zip(a, spread(b, a), (x, y) => (x === y ? 1 : 0)),
  Where: ([condition, yes, no]) => where(condition, yes, no),
  Resize: ([x, , scales]) => resize(x, scales),
  Cast: ([x]) => x, // every number here is a float32
  QuantizeLinear: ([x, scale, zero]) => quantize(x, scale.data[0], zero.data[0]),
  DequantizeLinear: ([x, scale, zero], { axis }) => dequantize(x, scale, zero, axis),
};

/** Whether a tensor has one number for each index of the first axis of another: scales of weights. */
function isPerOutput(scale, x) {
  const [first, ...rest] = scale.dims;
  return scale.dims.length === x.dims.length && first === x.dims[0] && rest.every((each) => each === 1);
}

function scaled(x, scale) {
  const each = x.data.length / scale.data.length;
  return tensor(x.dims, x.data.map((value, i) => value * scale.data[Math.floor(i / each)]));
}

function halved(x, half) {
  return half ? map(x, roundToHalf) : x;
}

/** `yes` where the condition is 1, else `no`; either may be a single number. */
function where(condition, yes, no) {
  const chosen = zip(condition, yes, (c, value) => (c ? value : 0));
  return zip(chosen, zip(condition, no, (c, value) => (c ? 0 : value)), (x, y) => x + y);
}

function resize(x, scales) {
  if (String(Array.from(scales?.data ?? [])) !== "1,1,2,2") {
    throw new Refusal("A node Resize makes its input other than twice as large.");
  }
  return twice(x);
}

/** Numbers as steps of 0 to 255; halves go to the even step. */
function quantize(x, scale, zero) {
  return map(x, (value) => Math.min(255, Math.max(0, roundHalfEven(Math.fround(value / scale)) + zero)));
}

/** Steps as numbers, with one scale or one for each index of the first axis. */
function dequantize(x, scale, zero, axis) {
  if (scale.data.length === 1) return map(x, (value) => (value - zero.data[0]) * scale.data[0]);
  const each = x.data.length / scale.data.length;
  if (axis !== 0 || x.dims[0] !== scale.data.length || zero.data.length !== scale.data.length) {
    throw new Refusal("A node DequantizeLinear has scales that do not fit.");
  }
  return tensor(x.dims, x.data.map((value, i) => (value - zero.data[Math.floor(i / each)]) * scale.data[Math.floor(i / each)]));
}
