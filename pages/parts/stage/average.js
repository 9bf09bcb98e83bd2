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
