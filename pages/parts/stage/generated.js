/* The column of generated modalities, decoded in the browser. */
import { title } from "./column_headings.js";
import { decisions, label, tags } from "./probability_bars.js";
import { furtherPicture, picture } from "./pictures.js";
import { series } from "./series.js";
import { text } from "./texts.js";
import { vector } from "./vectors.js";
import { make } from "../web/dom.js";

/** Milliseconds of decoding per frame, so that the page stays responsive. */
const SLICE = 6;
/** Number of draws in the first mean shown; fewer would only flicker. */
const FIRST = 6;

const KINDS = { label, tags, text, vector, series };

/** The labels of two categories if there are several, which are shown together. */
function binaryLabels(modalities) {
  const found = [...modalities.entries()].filter(([, m]) => m.kind === "label" && m.categories.length === 2);
  return found.length > 1 ? found : [];
}

/**
 * The parts of the column. Each has the `indices` of the decoders it needs, and receives their
 * outputs for one draw after another (`clear`, `add`, then `show`), or for one latent (`hold`).
 */
function partsOf({ modalities, pictures, samples }, ink) {
  const [first, ...further] = pictures;
  const pictured = pictures.flatMap(({ boxes }) => boxes.map(([index]) => index));
  const together = binaryLabels(modalities);
  const [shown, more] = [[], make("div", { class: "further" })];
  if (first) shown.push(picture(first, samples, ink));
  for (const each of further) {
    const part = furtherPicture(each, ink);
    more.append(...part.parts);
    shown.push({ ...part, parts: [] });
  }
  if (further.length) shown.at(-1).parts = [more];
  if (together.length) shown.push(decisions(together));
  modalities.forEach((m, index) => {
    if (!pictured.includes(index) && !together.some(([i]) => i === index)) shown.push(KINDS[m.kind](m, index));
  });
  return shown;
}

/**
 * The column of generated modalities.
 *
 * `showPosterior(decode, q, noise, draws)` shows means over draws, refined frame by frame, and the
 * first draws of the picture. `hold(decode, z)` shows what one latent decodes to, at once.
 */
export function generated(data, ink) {
  const parts = partsOf(data, ink);
  const element = make("div", { class: "made" }, ...parts.flatMap((part) => part.parts));
  let frameRequest = 0;

  const stop = () => cancelAnimationFrame(frameRequest);
  const note = (words) => parts.forEach((part) => part.note?.(words));

  /** Decode a latent for a part: the outputs of its decoders, by index. */
  function decoded(decode, indices, z) {
    const means = [];
    for (const index of indices) means[index] = decode[index](z);
    return means;
  }

  function showPosterior(decode, { mean, logvar }, noise, draws) {
    stop();
    element.classList.remove("held");
    note("mean, then samples");
    const latents = mean.length;
    const std = Float64Array.from(logvar, (value) => Math.exp(0.5 * value));
    const drawn = (n) => Float64Array.from(mean, (m, d) => m + std[d] * noise[n * latents + d]);
    const wanted = ({ draws: most = draws }) => Math.min(most, draws);
    parts.forEach((part) => part.clear());
    /** All decodings, in an order that gives every part its first draws early. */
    function* jobs() {
      for (let n = 0; n < draws; n++) {
        const z = drawn(n);
        for (const part of parts) {
          if (n >= wanted(part)) continue;
          part.add(n, decoded(decode, part.indices, z));
          yield [part, n + 1];
        }
        element.dataset.draws = n + 1;
      }
    }
    element.dataset.draws = 0;
    const work = jobs();
    function refine() {
      const [end, changed] = [performance.now() + SLICE, new Set()];
      let next;
      do {
        next = work.next();
        const [part, count] = next.value ?? [];
        if (part && count >= Math.min(FIRST, wanted(part))) changed.add(part);
      } while (!next.done && performance.now() < end);
      changed.forEach((part) => part.show());
      if (!next.done) frameRequest = requestAnimationFrame(refine);
    }
    refine();
  }

  function hold(decode, z) {
    stop();
    element.classList.add("held");
    note("at the point held");
    const descriptions = [];
    for (const part of parts) {
      const means = decoded(decode, part.indices, z);
      part.hold(means);
      if (part.words) descriptions.push(part.words(means));
    }
    return descriptions.join("; ");
  }

  /** Mark the supplied modalities. */
  function supplied(names) {
    for (const heading of element.querySelectorAll("[data-of]")) {
      heading.classList.toggle("given", names.includes(heading.dataset.of));
    }
    parts.forEach((part) => part.supplied?.(names));
  }

  return { element, showPosterior, hold, supplied, stop };
}
