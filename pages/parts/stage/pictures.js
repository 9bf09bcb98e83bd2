/* Generated pictures: images, whole or assembled from tiles, and vectors on a grid. */
import { averaged } from "./average.js";
import { title } from "./column_headings.js";
import { make } from "../web/dom.js";
import { paintColours, paintInk } from "../web/picture.js";

/**
 * A canvas, and a function that paints the means of a picture's modalities on it. With a `span`,
 * the means are standardised, and ±span standard deviations are white and black.
 */
function sheet({ channels, height, width, boxes, inked, span }, words, ink) {
  const canvas = make("canvas", { width, height, role: "img", "aria-label": words });
  const whole = new Float32Array(channels * height * width);
  function put(means) {
    for (const [index, [left, top, w, h]] of boxes) {
      for (let c = 0; c < channels; c++) {
        for (let y = 0; y < h; y++) {
          const row = (c * h + y) * w;
          whole.set(means[index].subarray(row, row + w), (c * height + top + y) * width + left);
        }
      }
    }
    if (span) whole.forEach((x, i) => (whole[i] = Math.min(Math.max(0.5 + x / (2 * span), 0), 1)));
    if (inked) paintInk(canvas, whole, ink, 1);
    else paintColours(canvas, whole, 1);
  }
  return { canvas, put };
}

const indicesOf = ({ boxes }) => boxes.map(([index]) => index);

/** The main picture: its mean, with frames around supplied tiles, and samples. */
export function picture(described, samples, ink) {
  const { name, height, width, colour, frames } = described;
  const mean = sheet(described, `mean generated ${name}`, ink);
  const framed = make("div", { class: "mean" }, mean.canvas);
  const heading = title(name, colour, colour ? name : null);
  const small = Array.from({ length: samples }, (_, i) => sheet(described, `generated ${name}, sample ${i + 1}`, ink));
  const row = make("div", { class: "samples" }, ...small.map(({ canvas }) => canvas));
  const share = (value, of) => `${(100 * value) / of}%`;
  return averaged(indicesOf(described), {
    parts: [heading.element, framed, row],
    show: mean.put,
    sample: (n, means) => small[n]?.put(means),
    note: heading.setNote,
    supplied(names) {
      framed.querySelectorAll(".frame").forEach((old) => old.remove());
      for (const { name: of, colour: border, box: [x, y, w, h] } of frames) {
        const style = `left:${share(x, width)};top:${share(y, height)};` +
          `width:${share(w, width)};height:${share(h, height)};border-color:${border}`;
        if (names.includes(of)) framed.append(make("span", { class: "frame", style, "data-of": of }));
      }
    },
  });
}

/** A further picture, small, of which only the mean is shown. */
export function furtherPicture(described, ink) {
  const { name, colour } = described;
  const { canvas, put } = sheet(described, `mean generated ${name}`, ink);
  const figure = make("figure", { "data-of": colour ? name : null }, title(name, colour, colour ? name : null).element, canvas);
  return averaged(indicesOf(described), { parts: [figure], show: put });
}
