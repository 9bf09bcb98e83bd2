/* Means over draws. */

/**
 * A part of the column that shows the mean of some decoders' outputs over draws.
 *
 * @param {number[]} indices of the decoders.
 * @param {object} part with `show(means)`, where means are by index, and with `sample(n, means)` if
 *     it shows single draws too.
 */
export function averaged(indices, part) {
  let [sums, count] = [[], 0];
  return {
    ...part, indices,
    hold: part.show,
    clear: () => ([sums, count] = [[], 0]),
    add(n, means) {
      for (const index of indices) {
        sums[index] ??= new Float64Array(means[index].length);
        for (let i = 0; i < means[index].length; i++) sums[index][i] += means[index][i];
      }
      count++;
      part.sample?.(n, means);
    },
    show: () => part.show(sums.map((sum) => sum.map((x) => x / count))),
  };
}

/**
 * A part of the column that shows the output of a Gaussian decoder, by `put(mean, std)`.
 *
 * @param {number} index of the decoder, whose output is the means and then as many standard deviations.
 * @param {number} size number of means.
 */
export function spreading(index, size, put) {
  let [sums, squares, count] = [];
  return {
    indices: [index],
    clear: () => ([sums, squares, count] = [new Float64Array(size), new Float64Array(size), 0]),
    add(_, { [index]: y }) {
      for (let i = 0; i < size; i++) {
        sums[i] += y[i];
        squares[i] += y[i] ** 2 + y[size + i] ** 2;
      }
      count++;
    },
    /** Show the mean over draws and the predictive standard deviation √(E[σ²] + Var[μ]). */
    show() {
      const mean = sums.map((x) => x / count);
      put(mean, squares.map((x, i) => Math.sqrt(Math.max(x / count - mean[i] ** 2, 0))));
    },
    hold: ({ [index]: y }) => put(y.subarray(0, size), y.subarray(size)),
  };
}
