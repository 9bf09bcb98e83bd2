/* Linear layers, and stacks of them with SiLU in between, as in mvae/kinds/layers.py. */
import { silu } from "./activations.js";

/**
 * y += W x, for `outputs` rows of W from index `w`, `inputs` numbers of x from `from`, and y from
 * `to`. Four rows at a time share each read of x, which takes two thirds of the time.
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

/** The linear layer of a name, y = W x + b; every call returns the same array. */
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

/** The layer numbers in names, such as 0, 2, 4 in "net.0.weight", "net.2.weight", … */
export function numbered(weights, start) {
  const names = Object.keys(weights).filter((name) => name.startsWith(start) && name.endsWith(".weight"));
  return names.map((name) => parseInt(name.slice(start.length))).sort((a, b) => a - b);
}

/** The linear layers whose names share a prefix, in order of their numbers, with SiLU in between. */
export function dense(weights, start) {
  const layers = numbered(weights, start).map((n) => linear(weights, start + n));
  return (z) => layers.reduce((x, layer, i) => {
    if (i) silu(x);
    return layer(x);
  }, z);
}
