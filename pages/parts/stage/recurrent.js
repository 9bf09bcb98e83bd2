/* Texts by gated recurrent units that hear the latents at every step, as mvae/distributions/autoregressive.py has them. */
import { largest, logistic, softmax } from "./activations.js";
import { linear, multiply } from "./dense.js";

/** The token that ends a text, that fills what is left of it, and that a text begins after. */
export const END = 0;

/** Rows of columns `from` to `to` of a matrix, by themselves. */
function columnsOf({ shape: [rows, columns], values }, from, to) {
  const cut = new Float32Array(rows * (to - from));
  for (let r = 0; r < rows; r++) cut.set(values.subarray(r * columns + from, r * columns + to), r * (to - from));
  return cut;
}

/**
 * Latents to the probabilities of every token at each of `length` places of the text that takes
 * the likeliest ones, (length, vocabulary). A short text costs little: after its end there is
 * nothing but the end.
 */
export function speaker(weights, start, length) {
  const [first, say] = [linear(weights, `${start}start`), linear(weights, `${start}say`)];
  const { shape: [vocabulary, size], values: embedded } = weights[`${start}embed.weight`];
  const input = weights[`${start}units.weight_ih_l0`];
  const [ofToken, ofLatents] = [columnsOf(input, 0, size), columnsOf(input, size, input.shape[1])];
  const latents = input.shape[1] - size;
  const { shape: [gates, width], values: ofState } = weights[`${start}units.weight_hh_l0`];
  const [inBias, stateBias] = ["ih", "hh"].map((name) => weights[`${start}units.bias_${name}_l0`].values);
  const [told, x, h] = [new Float32Array(gates), new Float32Array(gates), new Float32Array(gates)];
  const probabilities = new Float32Array(length * vocabulary);

  /** Go from a state to the next one, in place. */
  function step(state, token) {
    x.set(told);
    multiply(ofToken, 0, embedded, token * size, size, x, 0, gates);
    h.set(stateBias);
    multiply(ofState, 0, state, 0, width, h, 0, gates);
    for (let i = 0; i < width; i++) {
      const reset = logistic(x[i] + h[i]);
      const keep = logistic(x[width + i] + h[width + i]);
      const candidate = Math.tanh(x[2 * width + i] + reset * h[2 * width + i]);
      state[i] = (1 - keep) * candidate + keep * state[i];
    }
  }

  return (z) => {
    const state = first(z);
    for (let i = 0; i < width; i++) state[i] = Math.tanh(state[i]);
    told.set(inBias);
    multiply(ofLatents, 0, z, 0, latents, told, 0, gates);
    probabilities.fill(0);
    let [token, place] = [END, 0];
    do {
      step(state, token);
      const row = place * vocabulary;
      softmax(say(state), probabilities, row);
      token = largest(probabilities, row, row + vocabulary);
      place++;
    } while (token !== END && place < length);
    for (; place < length; place++) probabilities[place * vocabulary + END] = 1;
    return probabilities;
  };
}
