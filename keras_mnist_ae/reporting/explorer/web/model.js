// An ONNX file as plain objects. What the exporter of keras_mnist_ae does not write is refused.

import { fromHalf, typed } from "./numbers.js";
import { Refusal, all, fields, integers, text } from "./protobuf.js";
import { tensor } from "./tensor.js";

/** The operators of the exporter, each with the attributes that it sets. */
export const ATTRIBUTES = {
  Conv: ["kernel_shape", "strides", "pads"],
  ConvTranspose: ["kernel_shape", "strides", "pads"],
  Gemm: ["transB"],
  MaxPool: ["kernel_shape", "strides"],
  GlobalAveragePool: [],
  Flatten: [],
  Reshape: [],
  Mul: [],
  Add: [],
  Relu: [],
  Tanh: [],
  Sigmoid: [],
  Equal: [],
  Where: [],
  Resize: ["mode", "coordinate_transformation_mode", "nearest_mode"],
  Cast: ["to"],
  QuantizeLinear: [],
  DequantizeLinear: ["axis"],
};

/** How the raw bytes of a tensor become numbers, by ONNX' number of the type. */
const TYPES = {
  1: (bytes) => typed(Float32Array, bytes),
  2: (bytes) => Float32Array.from(bytes), // uint8
  3: (bytes) => Float32Array.from(typed(Int8Array, bytes)),
  6: (bytes) => Float32Array.from(typed(Int32Array, bytes)),
  7: (bytes) => Float32Array.from(typed(BigInt64Array, bytes), Number),
  10: (bytes) => fromHalf(typed(Uint16Array, bytes)),
};
const LARGEST_EXTENT = 4096; // of a kernel, stride or padding
const IR_VERSIONS = [7, 11], OPSETS = [13, 23];

/**
 * The graph of a file.
 *
 * @param {Uint8Array} file
 * @returns {{inputs: Port[], outputs: Port[], nodes: Node[], constants: Map, metadata: Object}}
 *   A port has a `name` and its `dims` without the batch.
 */
export function readModel(file) {
  const model = fields(file);
  for (const [number] of model) {
    if (number === 20 || number === 25) throw new Refusal("The file holds more than a graph.");
  }
  const opsets = all(model, 8, "bytes").map(fields);
  if (opsets.some((each) => text(each, 1))) throw new Refusal("The file uses operators of another maker.");
  within("IR version", integers(model, 1).at(-1), IR_VERSIONS);
  within("opset", integers(opsets[0] ?? [], 2).at(-1), OPSETS);
  const graph = fields(all(model, 7, "bytes")[0] ?? new Uint8Array());
  if (all(graph, 15).length) throw new Refusal("The file holds sparse weights.");
  const entries = all(model, 14, "bytes").map(fields).map((entry) => [text(entry, 1), text(entry, 2)]);
  return {
    inputs: all(graph, 11, "bytes").map(port),
    outputs: all(graph, 12, "bytes").map(port),
    nodes: all(graph, 1, "bytes").map(node),
    constants: new Map(all(graph, 5, "bytes").map(constant)),
    metadata: Object.fromEntries(entries),
  };
}

function within(what, value, [low, high]) {
  if (!(value >= low && value <= high)) {
    throw new Refusal(`The file is no ONNX file of this package: ${what} ${value ?? "none"}.`);
  }
}

function node(message) {
  const found = fields(message), operator = text(found, 4);
  if (text(found, 7) || !Object.hasOwn(ATTRIBUTES, operator)) {
    throw new Refusal(`The file uses the operator “${operator.slice(0, 40)}”, which this package never writes.`);
  }
  const attributes = {};
  for (const each of all(found, 5, "bytes").map(fields)) {
    const name = text(each, 1);
    if (!ATTRIBUTES[operator].includes(name)) {
      throw new Refusal(`A node ${operator} has the attribute “${name.slice(0, 40)}”, which this package never sets.`);
    }
    const numbers = integers(each, 8);
    if (numbers.some((value) => value < 0 || value > LARGEST_EXTENT)) {
      throw new Refusal(`A node ${operator} has a kernel, stride or padding out of range.`);
    }
    attributes[name] = numbers.length ? numbers : (integers(each, 3).at(-1) ?? text(each, 4));
  }
  const names = (number) => all(found, number, "bytes").map((value) => text([[number, value]], number));
  return { operator, inputs: names(1), outputs: names(2), attributes };
}

function constant(message) {
  const found = fields(message), name = text(found, 8), type = integers(found, 2).at(-1);
  if (all(found, 13).length || integers(found, 14).at(-1)) throw new Refusal("The file keeps weights elsewhere.");
  if (!TYPES[type]) throw new Refusal(`A tensor has the type ${type}, which this package never writes.`);
  return [name, tensor(integers(found, 1), TYPES[type](all(found, 9, "bytes")[0] ?? new Uint8Array()))];
}

function port(message) {
  const found = fields(message);
  const type = fields(all(fields(all(found, 2, "bytes")[0] ?? new Uint8Array()), 1, "bytes")[0] ?? new Uint8Array());
  const shape = fields(all(type, 2, "bytes")[0] ?? new Uint8Array());
  const dims = all(shape, 1, "bytes").map((each) => integers(fields(each), 1).at(-1) ?? null);
  return { name: text(found, 1), dims: dims.slice(1) };
}
