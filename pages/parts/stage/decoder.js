/*
 * Decoders in the browser: a network for each modality, and at its end the mean of its likelihood,
 * as mvae/kinds/layers.py and mvae/distributions/likelihood.py have them.
 */
import { logistic, softmax } from "./activations.js";
import { painter } from "./convolution.js";
import { dense } from "./dense.js";
import { speaker } from "./recurrent.js";
import { tensors } from "./safetensors.js";

/** The least log standard deviation of a Gaussian. */
const LEAST = -3;

/** From a decoder's numbers to the mean of the modality, in place: probabilities where discrete. */
const MEANS = {
  bernoulli(y) {
    for (let i = 0; i < y.length; i++) y[i] = logistic(y[i]);
  },
  "bernoulli-cross-entropy": (y) => MEANS.bernoulli(y),
  categorical: (y) => softmax(y, y),
  /** Means, and behind them as many standard deviations. */
  gaussian(y) {
    for (let i = y.length / 2; i < y.length; i++) {
      // softplus, which is its argument where that is large
      const raised = y[i] - LEAST;
      y[i] = Math.exp(Math.max(raised, 0) + Math.log1p(Math.exp(-Math.abs(raised))) + LEAST);
    }
  },
  autoregressive: () => {}, // the network itself goes from token to token
};

/** The network of a modality, of whichever kind its weights are. */
function network(weights, start, shape) {
  if (`${start}say.weight` in weights) return speaker(weights, start, shape[0]);
  if (`${start}grow.1.weight` in weights) return painter(weights, start, shape);
  return dense(weights, start);
}

/**
 * A decoder for each modality: z (D numbers) to the mean of the modality; of a Gaussian one, its
 * standard deviations follow. What it returns is overwritten by the next call.
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
