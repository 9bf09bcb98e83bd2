/* Means over draws. */

/**
 * A part of the column that shows the mean over draws of what some decoders give.
 *
 * @param {number[]} indices of these decoders.
 * @param {object} part with `show(means)`, means by index; and, if single draws are shown as well,
 *     with `sample(n, means)`.
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
 * A part of the column that shows what a Gaussian decoder gives: `put(mean, std)`, of what is drawn.
 *
 * @param {number} index of the decoder, which gives means and behind them as many deviations.
 * @param {number} size how many means there are.
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
    /** The mean over draws, and the deviation of what is drawn from them: E[σ²] + Var[μ], rooted. */
    show() {
      const mean = sums.map((x) => x / count);
      put(mean, squares.map((x, i) => Math.sqrt(Math.max(x / count - mean[i] ** 2, 0))));
    },
    hold: ({ [index]: y }) => put(y.subarray(0, size), y.subarray(size)),
  };
}
