/* A generated series: a curve for each channel, with its standard deviations. */
import { spreading } from "./average.js";
import { title } from "./column_headings.js";
import { draw, number } from "../web/dom.js";

/** Of a channel's curve, in units of its own. */
const LONG = 240, DEEP = 56;

export function series({ name, colour, shape: [channels, length] }, index) {
  const heading = title(name, colour, name);
  const svg = draw("svg", { class: "vector", viewBox: `0 0 ${LONG} ${DEEP * channels}`, role: "img", "aria-label": `generated ${name}`, preserveAspectRatio: "none", "data-of": name });
  svg.style.height = `${3.5 * channels}rem`;
  // The axes grow with what has been shown on them and never shrink, so that curves stay comparable.
  const rows = Array.from({ length: channels }, (_, c) => {
    const band = draw("path", { class: "spread", fill: colour, "fill-opacity": 0.25 });
    const line = draw("path", { class: "curve", stroke: colour });
    svg.append(band, line);
    return { band, line, top: c * DEEP, low: Infinity, high: -Infinity };
  });

  function put(mean, std) {
    rows.forEach((row, c) => {
      const indices = Array.from({ length }, (_, t) => c * length + t);
      for (const i of indices) {
        row.low = Math.min(row.low, mean[i] - std[i]);
        row.high = Math.max(row.high, mean[i] + std[i]);
      }
      const x = (i) => (((i - c * length) * LONG) / Math.max(length - 1, 1)).toFixed(2);
      const y = (value) => (row.top + (DEEP * (row.high - value)) / (row.high - row.low || 1)).toFixed(2);
      const points = (from, order) => order.map((i) => `${x(i)} ${y(from(i))}`).join("L");
      const upper = points((i) => mean[i] + std[i], indices);
      row.band.setAttribute("d", `M${upper}L${points((i) => mean[i] - std[i], [...indices].reverse())}Z`);
      row.line.setAttribute("d", `M${points((i) => mean[i], indices)}`);
    });
    const [least, most] = [Math.min(...mean), Math.max(...mean)];
    const words = `${number(least, 2)} to ${number(most, 2)}`;
    heading.setNote(words);
    svg.setAttribute("aria-label", `mean generated ${name}: ${channels * length} numbers from ${words}`);
  }

  return { parts: [heading.element, svg], ...spreading(index, channels * length, put) };
}
