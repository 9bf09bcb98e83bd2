/* Headings in the column of what is generated. */
import { make, number } from "../web/dom.js";

/** A modality's name in its colour, and beside it what `say` says; solid once it is supplied. */
export function title(name, colour, of) {
  const words = make("span");
  const b = make("b", { style: `border-color:${colour ?? "transparent"}` }, name);
  const element = make("p", { class: "title", tabindex: 0, "data-of": of ?? null }, b, words);
  return { element, say: (text) => (words.textContent = text) };
}

/** A probability as it is printed. */
export const percent = (p, places = 1) => `${number(100 * p, places)} %`;
