/*
 * Images and series by transposed convolutions, each of which doubles all sides; a series is an
 * image one pixel high, and its kernels are one high too. Between layers an image is stored pixel by
 * pixel with adjacent channels, so that a pixel's contribution to another one is the product of a
 * small matrix with contiguous numbers.
 */
import { silu } from "./activations.js";
import { dense, multiply, numbered } from "./dense.js";

/** Kernel size, but for a height of one of a series'; factor by which a layer enlarges an image. */
const KERNEL = 3, TWICE = 2;

/** Swap rows and columns: channels by pixels to pixels by channels, and back. */
function transpose(from, rows, columns, to) {
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c];
  }
  return to;
}

/**
 * A transposed convolution with kernel size 3, stride 2 and padding 1. Its weight,
 * (inputs, outputs, 3, 3), or (inputs, outputs, 3) of a series, is stored as a matrix
 * (outputs, inputs) for each position in the kernel.
 */
function grow({ shape: [inputs, outputs, ...sides], values }, bias, [height, width], [tall, wide]) {
  const flat = sides.length === 1;
  const area = KERNEL ** sides.length;
  const taps = Float32Array.from(values, (_, i) => {
    const [tap, rest] = [Math.floor(i / (outputs * inputs)), i % (outputs * inputs)];
    return values[((rest % inputs) * outputs + Math.floor(rest / inputs)) * area + tap];
  });
  const y = new Float32Array(tall * wide * outputs);
  // Input i reaches output p = 2 i − 1 + k by kernel index k: an even p by the middle of the kernel
  // only, an odd p by both of its ends.
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
            const tap = (k * KERNEL + l) * outputs * inputs;
            multiply(taps, tap, x, (i * width + j) * inputs, inputs, y, to, outputs);
          }
        }
      }
    }
    return y;
  };
}

/**
 * A decoder from latents to the parameters of the likelihood of an image, whose `shape` is
 * (channels, height, width), or of a series, (channels, length).
 */
export function convolutional(weights, start, shape) {
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
