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
