// A graph at work.

import { OPERATORS } from "./operators.js";
import { Refusal } from "./protobuf.js";

/** A function from named tensors to named tensors; what depends on weights alone is computed now. */
export function prepare(model) {
  const constants = new Map(model.constants), nodes = [];
  for (const node of model.nodes) {
    if (node.inputs.every((name) => name === "" || constants.has(name))) compute(node, constants);
    else nodes.push(atPort(node, model.nodes) ? { ...node, attributes: { half: true } } : node);
  }
  return (feeds) => {
    const tensors = new Map([...constants, ...Object.entries(feeds)]);
    for (const node of nodes) compute(node, tensors);
    return Object.fromEntries(model.outputs.map(({ name }) => [name, known(tensors, name)]));
  };
}

/**
 * Whether a float16 graph reshapes right at one of its ports. There alone does onnxruntime hold
 * float16 numbers; all else it computes in float32, as this evaluator does.
 */
function atPort({ operator, inputs, outputs }, nodes) {
  if (operator !== "Flatten" && operator !== "Reshape") return false;
  return nodes.some(
    (other) => other.operator === "Cast" && (other.outputs[0] === inputs[0] || other.inputs[0] === outputs[0]),
  );
}

function compute({ operator, inputs, outputs, attributes }, tensors) {
  const values = inputs.map((name) => (name === "" ? undefined : known(tensors, name)));
  tensors.set(outputs[0], OPERATORS[operator](values, attributes));
}

function known(tensors, name) {
  if (!tensors.has(name)) throw new Refusal(`The graph takes “${name.slice(0, 40)}”, which nothing computes.`);
  return tensors.get(name);
}
