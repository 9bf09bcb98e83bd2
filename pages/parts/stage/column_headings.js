/* Headings in the column of generated modalities. */
import { make, number } from "../web/dom.js";

/** A heading: a modality's name in its colour, filled once it is supplied, and a note beside it. */
export function title(name, colour, of) {
  const words = make("span");
  const b = make("b", { style: `border-color:${colour ?? "transparent"}` }, name);
  const element = make("p", { class: "title", tabindex: 0, "data-of": of ?? null }, b, words);
  return { element, setNote: (text) => (words.textContent = text) };
}

/** Format a probability as a percentage. */
export const percent = (p, decimals = 1) => `${number(100 * p, decimals)} %`;
