/*
 * Texts by gated recurrent units that receive the latents at every step, as in
 * mvae/distributions/autoregressive.py.
 */
import { largest, logistic, softmax } from "./activations.js";
import { linear, multiply } from "./dense.js";

/** The token that starts a text, ends it, and pads it. */
export const END = 0;

/** A matrix of the columns `from` to `to` of another one. */
function columnsOf({ shape: [rows, columns], values }, from, to) {
  const cut = new Float32Array(rows * (to - from));
  for (let r = 0; r < rows; r++) cut.set(values.subarray(r * columns + from, r * columns + to), r * (to - from));
  return cut;
}

/**
 * A decoder from latents to token probabilities, (length, vocabulary), when the likeliest token is
 * chosen at each position. A short text costs little, as computation stops at its end.
 */
export function recurrent(weights, start, length) {
  const [first, output] = [linear(weights, `${start}start`), linear(weights, `${start}say`)];
  const { shape: [vocabulary, size], values: embedded } = weights[`${start}embed.weight`];
  const input = weights[`${start}units.weight_ih_l0`];
  const [ofToken, ofLatents] = [columnsOf(input, 0, size), columnsOf(input, size, input.shape[1])];
  const latents = input.shape[1] - size;
  const { shape: [gates, width], values: ofState } = weights[`${start}units.weight_hh_l0`];
  const [inBias, stateBias] = ["ih", "hh"].map((name) => weights[`${start}units.bias_${name}_l0`].values);
  const [fromLatents, x, h] = [new Float32Array(gates), new Float32Array(gates), new Float32Array(gates)];
  const probabilities = new Float32Array(length * vocabulary);

  /** Advance the state by one token, in place. */
  function step(state, token) {
    x.set(fromLatents);
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
    fromLatents.set(inBias);
    multiply(ofLatents, 0, z, 0, latents, fromLatents, 0, gates);
    probabilities.fill(0);
    let [token, position] = [END, 0];
    do {
      step(state, token);
      const row = position * vocabulary;
      softmax(output(state), probabilities, row);
      token = largest(probabilities, row, row + vocabulary);
      position++;
    } while (token !== END && position < length);
    for (; position < length; position++) probabilities[position * vocabulary + END] = 1;
    return probabilities;
  };
}
