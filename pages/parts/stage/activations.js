/* Functions of networks' numbers, and which of these is the largest. */

export const logistic = (x) => 1 / (1 + Math.exp(-x));

/** SiLU of all numbers, in place. */
export function silu(y) {
  for (let i = 0; i < y.length; i++) y[i] *= logistic(y[i]);
}

/** Where the largest is of some numbers, counted from the first of them. */
export function largest(values, from = 0, to = values.length) {
  let found = from;
  for (let i = from + 1; i < to; i++) if (values[i] > values[found]) found = i;
  return found - from;
}

/** The softmax of logits, written from a place on; in place where that is their own. */
export function softmax(logits, target, from = 0) {
  const most = logits[largest(logits)];
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += target[from + i] = Math.exp(logits[i] - most);
  for (let i = 0; i < logits.length; i++) target[from + i] /= total;
}
