// The worker: answers questions about the autoencoder that it holds, beside the page, which never waits.

import { openAutoencoder } from "./autoencoder.js";
import { Refusal } from "./protobuf.js";

let autoencoder;

const ANSWERS = {
  open({ encoder, decoder }) {
    autoencoder = openAutoencoder(encoder, decoder);
    return autoencoder.facts;
  },
  encode: ({ images }) => autoencoder.encode(images),
  decode: ({ codes, switches }) => autoencoder.decode(codes, switches),
  reconstruct({ images }) {
    const { codes, switches } = autoencoder.encode(images);
    return { codes, switches, images: autoencoder.decode(codes, switches) };
  },
};

self.onmessage = ({ data: { id, kind, question } }) => {
  const start = performance.now();
  try {
    const answer = ANSWERS[kind](question);
    self.postMessage({ id, answer, milliseconds: performance.now() - start });
  } catch (error) {
    const refusal = error instanceof Refusal ? error.message : "Its graph is damaged, or not of this package.";
    self.postMessage({ id, refusal });
  }
};
