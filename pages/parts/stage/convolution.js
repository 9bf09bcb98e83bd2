/*
 * Images and series by transposed convolutions, each of which doubles all sides; a series is an
 * image one pixel high, and its kernels are one high too. Between them an image lies pixel by pixel,
 * the channels of one beside each other, so that a pixel's share in another one is a product of a
 * small matrix with contiguous numbers.
 */
import { silu } from "./activations.js";
import { dense, multiply, numbered } from "./dense.js";

/** Sides of the kernel, but one is the height of a series'; and how many times as large an image becomes. */
const KERNEL = 3, TWICE = 2;

/** Swap rows and columns: channels by pixels to pixels by channels, and back. */
function transpose(from, rows, columns, to) {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c];
  }
  return to;
}

/**
 * A transposed convolution with a kernel of 3, a stride of 2 and a padding of 1. Its weight,
 * (inputs, outputs, 3, 3), or (inputs, outputs, 3) of a series, is kept as a matrix
 * (outputs, inputs) for each place of the kernel.
 */
function grow({ shape: [inputs, outputs, ...sides], values }, bias, [height, width], [tall, wide]) {
  const flat = sides.length === 1;
  const area = KERNEL ** sides.length;
  const taps = Float32Array.from(values, (_, i) => {
    const [place, rest] = [Math.floor(i / (outputs * inputs)), i % (outputs * inputs)];
    return values[((rest % inputs) * outputs + Math.floor(rest / inputs)) * area + place];
  });
  const y = new Float32Array(tall * wide * outputs);
  // What reaches a row or column p, which lies at 2 i − 1 + k: an even one the kernel's middle
  // only, an odd one both its ends.
  const reaching = (p, size) => (p % TWICE ? [[(p + 1) / TWICE, 0], [(p - 1) / TWICE, 2]] : [[p / TWICE, 1]])
    .filter(([i]) => i < size);
  const rows = flat ? [[[0, 0]]] : Array.from({ length: tall }, (_, p) => reaching(p, height));
  const columns = Array.from({ length: wide }, (_, q) => reaching(q, width));
  return (x) => {
    for (let p = 0; p < tall; p++) {
      for (let q = 0; q < wide; q++) {
        const to = (p * wide + q) * outputs;
        y.set(bias, to);
        for (const [i, k] of rows[p]) {
          for (const [j, l] of columns[q]) {
            const place = (k * KERNEL + l) * outputs * inputs;
            multiply(taps, place, x, (i * width + j) * inputs, inputs, y, to, outputs);
          }
        }
      }
    }
    return y;
  };
}

/**
 * Latents to the numbers of the likelihood of an image, whose `shape` is (channels, height, width),
 * or of a series, (channels, length).
 */
export function painter(weights, start, shape) {
  const [height, width] = [shape.length === 2 ? 1 : shape[1], shape.at(-1)];
  const layers = numbered(weights, `${start}grow.`);
  const sizes = layers.reduce(([[h, w], ...more]) => [[Math.ceil(h / TWICE), Math.ceil(w / TWICE)], [h, w], ...more], [[height, width]]);
  const flat = dense(weights, `${start}dense.`);
  const steps = layers.map((n, i) => {
    const name = `${start}grow.${n}`;
    return grow(weights[`${name}.weight`], weights[`${name}.bias`].values, sizes[i], sizes[i + 1]);
  });
  const channels = weights[`${start}grow.${layers[0]}.weight`].shape[0];
  const small = sizes[0][0] * sizes[0][1];
  const first = new Float32Array(channels * small);
  const deep = weights[`${start}grow.${layers.at(-1)}.bias`].values.length;
  const last = new Float32Array(deep * height * width);
  return (z) => {
    const begun = transpose(flat(z), channels, small, first);
    const pixels = steps.reduce((x, step) => {
      silu(x);
      return step(x);
    }, begun);
    return transpose(pixels, height * width, deep, last);
  };
}
