// Encoder and decoder together.

import { prepare } from "./graph.js";
import { readModel } from "./model.js";
import { Refusal } from "./protobuf.js";
import { tensor } from "./tensor.js";

/**
 * The autoencoder of two files, tried once, so that one that cannot work is refused here.
 *
 * Images are float32 in [0, 1], channels last; `switches` are what a pooling encoder gives beside
 * the codes, for its decoder alone.
 *
 * @param {Uint8Array} encoderFile
 * @param {Uint8Array} decoderFile
 */
export function openAutoencoder(encoderFile, decoderFile) {
  const encoder = readModel(encoderFile), decoder = readModel(decoderFile);
  const facts = factsOf(encoder, decoder), [height, width, channels] = facts.image;
  const runEncoder = prepare(encoder), runDecoder = prepare(decoder);

  function encode(images) {
    const batch = images.length / (height * width * channels);
    const found = runEncoder({ image: tensor([batch, channels, height, width], images) });
    fits(found.latent, [batch, facts.latent], "encoder");
    const switches = facts.switches.map(({ name, dims }) => fits(found[name], [batch, ...dims], "encoder").data);
    return { codes: found.latent.data, switches };
  }

  function decode(codes, switches = []) {
    const batch = codes.length / facts.latent, feeds = { latent: tensor([batch, facts.latent], codes) };
    facts.switches.forEach(({ name, dims }, i) => {
      const { data } = tensor(dims), all = new Float32Array(batch * data.length);
      for (let n = 0; n < batch; n++) all.set(switches[i].subarray(0, data.length), n * data.length);
      feeds[name] = tensor([batch, ...dims], switches[i].length === all.length ? switches[i] : all);
    });
    return fits(runDecoder(feeds).reconstruction, [batch, channels, height, width], "decoder").data;
  }

  const tried = encode(new Float32Array(height * width * channels));
  decode(tried.codes, tried.switches);
  return { facts, encode, decode };
}

function factsOf(encoder, decoder) {
  const { metadata } = encoder, [image] = encoder.inputs, [latent, ...others] = encoder.outputs;
  if (image?.name !== "image" || latent?.name !== "latent" || decoder.outputs[0]?.name !== "reconstruction") {
    throw new Refusal("These are not an encoder.onnx and a decoder.onnx of keras_mnist_ae.");
  }
  if (!metadata["kae.weights_sha256"] || metadata["kae.weights_sha256"] !== decoder.metadata["kae.weights_sha256"]) {
    throw new Refusal("encoder.onnx and decoder.onnx come from different trainings.");
  }
  const switches = others.filter(({ name }) => name.startsWith("switch_"));
  const taken = [latent, ...switches].map(described).join(), made = decoder.inputs.map(described).join();
  if (image.dims.length !== 3 || latent.dims.length !== 1 || taken !== made) {
    throw new Refusal("The decoder does not take what the encoder gives.");
  }
  const [channels, height, width] = image.dims;
  if (![channels, height, width, latent.dims[0]].every((each) => each > 0) || height * width > 2 ** 20) {
    throw new Refusal(`Images of ${image.dims.join(" x ")} cannot be shown here.`);
  }
  return {
    image: [height, width, channels],
    latent: latent.dims[0],
    switches,
    variational: others.some(({ name }) => name === "log_variance"),
    variant: metadata["kae.variant"] ?? "",
    dataset: metadata["kae.dataset"] ?? "",
    precision: metadata["kae.precision"] ?? "float32",
    testMse: Number(metadata["kae.test_mse"]),
    weights: metadata["kae.weights_sha256"],
  };
}

function described({ name, dims }) {
  return `${name} ${dims.join(" x ")}`;
}

function fits(x, dims, part) {
  if (String(x?.dims) !== String(dims)) throw new Refusal(`The ${part} gives another shape than it says.`);
  for (const value of x.data) {
    if (!Number.isFinite(value)) throw new Refusal(`The ${part} gives NaN or infinity.`);
  }
  return x;
}
