/* Linear layers, and stacks of them with SiLU between, as mvae/kinds/layers.py has them. */
import { silu } from "./activations.js";

/**
 * y += W x, for as many rows of W and numbers of x as are told, from given places on. Four rows at
 * a time: then each number of x is read once for four products, which takes two thirds of the time.
 */
export function multiply(weight, w, x, from, inputs, y, to, outputs) {
  const four = outputs - (outputs % 4);
  for (let o = 0; o < four; o += 4, w += 4 * inputs) {
    let [a, b, c, d] = [0, 0, 0, 0];
    const [second, third, fourth] = [w + inputs, w + 2 * inputs, w + 3 * inputs];
    for (let i = 0; i < inputs; i++) {
      const value = x[from + i];
      a += weight[w + i] * value;
      b += weight[second + i] * value;
      c += weight[third + i] * value;
      d += weight[fourth + i] * value;
    }
    y[to + o] += a;
    y[to + o + 1] += b;
    y[to + o + 2] += c;
    y[to + o + 3] += d;
  }
  for (let o = four; o < outputs; o++, w += inputs) {
    let sum = 0;
    for (let i = 0; i < inputs; i++) sum += weight[w + i] * x[from + i];
    y[to + o] += sum;
  }
}

/** The linear layer of a name: y = W x + b, in the same array at every call. */
export function linear(weights, name) {
  const { shape: [outputs, inputs], values } = weights[`${name}.weight`];
  const bias = weights[`${name}.bias`].values;
  const y = new Float32Array(outputs);
  return (x) => {
    y.set(bias);
    multiply(values, 0, x, 0, inputs, y, 0, outputs);
    return y;
  };
}

/** Numbers in the middle of some names: 0, 2, 4 of "net.0.weight", "net.2.weight", … */
export function numbered(weights, start) {
  const names = Object.keys(weights).filter((name) => name.startsWith(start) && name.endsWith(".weight"));
  return names.map((name) => parseInt(name.slice(start.length))).sort((a, b) => a - b);
}

/** Linear layers whose names begin alike, in the order of their numbers, with SiLU between them. */
export function dense(weights, start) {
  const layers = numbered(weights, start).map((n) => linear(weights, start + n));
  return (z) => layers.reduce((x, layer, i) => {
    if (i) silu(x);
    return layer(x);
  }, z);
}
