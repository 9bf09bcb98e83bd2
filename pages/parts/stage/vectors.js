/* A generated vector: its numbers as bars, with their standard deviations. */
import { spreading } from "./average.js";
import { title } from "./column_headings.js";
import { draw, number } from "../web/dom.js";

const BROAD = 240, HIGH = 72;

export function vector({ name, colour, shape: [size] }, index) {
  const heading = title(name, colour, name);
  const svg = draw("svg", { class: "vector", viewBox: `0 0 ${BROAD} ${HIGH}`, role: "img", "aria-label": `generated ${name}`, preserveAspectRatio: "none", "data-of": name });
  const step = BROAD / size;
  const [zero, band, line] = ["axis", "band", "numbers"].map((kind) => draw("path", { class: kind, stroke: kind === "axis" ? "" : colour, "stroke-width": kind === "axis" ? 1 : 0.8 * step }));
  svg.append(band, zero, line);
  // The axis grows with the values shown and never shrinks, so that bars stay comparable.
  let [low, high] = [0, 0];

  function put(mean, std) {
    for (let i = 0; i < size; i++) {
      low = Math.min(low, mean[i] - std[i]);
      high = Math.max(high, mean[i] + std[i]);
    }
    const y = (value) => (HIGH * (high - value) / (high - low || 1)).toFixed(2);
    const path = (from, to) => Array.from({ length: size }, (_, i) => `M${((i + 0.5) * step).toFixed(2)} ${y(from(i))}V${y(to(i))}`).join("");
    zero.setAttribute("d", `M0 ${y(0)}H${BROAD}`);
    band.setAttribute("d", path((i) => mean[i] - std[i], (i) => mean[i] + std[i]));
    line.setAttribute("d", path(() => 0, (i) => mean[i]));
    heading.setNote(`${number(low)} to ${number(high)}`);
    const [least, most] = [Math.min(...mean), Math.max(...mean)];
    svg.setAttribute("aria-label", `mean generated ${name}: ${size} numbers from ${number(least, 2)} to ${number(most, 2)}`);
  }

  return { parts: [heading.element, svg], ...spreading(index, size, put) };
}
