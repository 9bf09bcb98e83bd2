/* Activation functions, and the index of the largest number. */

export const logistic = (x) => 1 / (1 + Math.exp(-x));

/** Apply SiLU to all numbers, in place. */
export function silu(y) {
  for (let i = 0; i < y.length; i++) y[i] *= logistic(y[i]);
}

/** Index of the largest of the numbers from `from` to `to`, relative to `from`. */
export function largest(values, from = 0, to = values.length) {
  let found = from;
  for (let i = from + 1; i < to; i++) if (values[i] > values[found]) found = i;
  return found - from;
}

/** Write the softmax of logits to `target` from index `from` on; `target` may be the logits. */
export function softmax(logits, target, from = 0) {
  const most = logits[largest(logits)];
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += target[from + i] = Math.exp(logits[i] - most);
  for (let i = 0; i < logits.length; i++) target[from + i] /= total;
}
