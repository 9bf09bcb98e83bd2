/*
 * Decoders in the browser: each maps a latent to the mean of a modality's likelihood, as in
 * mvae/kinds/layers.py and mvae/distributions/likelihood.py.
 */
import { logistic, softmax } from "./activations.js";
import { convolutional } from "./convolution.js";
import { dense } from "./dense.js";
import { recurrent } from "./recurrent.js";
import { tensors } from "./safetensors.js";

/** The least log standard deviation of a Gaussian. */
const LEAST = -3;

/** Functions from a network's outputs to the mean of a likelihood, in place. */
const MEANS = {
  bernoulli(y) {
    for (let i = 0; i < y.length; i++) y[i] = logistic(y[i]);
  },
  "bernoulli-cross-entropy": (y) => MEANS.bernoulli(y),
  categorical: (y) => softmax(y, y),
  /** Means, followed by as many standard deviations. */
  gaussian(y) {
    for (let i = y.length / 2; i < y.length; i++) {
      // softplus, without overflow
      const raised = y[i] - LEAST;
      y[i] = Math.exp(Math.max(raised, 0) + Math.log1p(Math.exp(-Math.abs(raised))) + LEAST);
    }
  },
  autoregressive: () => {}, // the network returns probabilities itself
};

/** A modality's network, of the kind that its weights belong to. */
function network(weights, start, shape) {
  if (`${start}say.weight` in weights) return recurrent(weights, start, shape[0]);
  if (`${start}grow.1.weight` in weights) return convolutional(weights, start, shape);
  return dense(weights, start);
}

/**
 * A decoder for each modality: from z, D numbers, to the mean of its likelihood, followed by the
 * standard deviations of a Gaussian. The next call overwrites the returned array.
 */
export function decoders(buffer, modalities) {
  const weights = tensors(buffer);
  return modalities.map(({ likelihood, shape }, index) => {
    const net = network(weights, `decoders.${index}.net.`, shape);
    return (z) => {
      const y = net(Float32Array.from(z));
      MEANS[likelihood](y);
      return y;
    };
  });
}
