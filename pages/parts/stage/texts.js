/* A generated text: the most frequent texts of the draws, or one text with token probabilities. */
import { largest } from "./activations.js";
import { percent, title } from "./column_headings.js";
import { END } from "./recurrent.js";
import { make } from "../web/dom.js";

/** Number of draws, fewer than for other kinds because a text takes many steps; texts shown. */
const DRAWS = 16, SHOWN = 5;
/** The character that marks the start of a word in a token; the token for unknown characters. */
const WORD = "▁", UNKNOWN = "<unk>";

/** The likeliest token at each position, up to the end, of probabilities (positions, vocabulary). */
function decodeTokens(probabilities, categories) {
  const found = [];
  for (let from = 0; from < probabilities.length; from += categories.length) {
    const token = largest(probabilities, from, from + categories.length);
    if (token === END) break;
    const words = categories[token] === UNKNOWN ? "\ufffd" : categories[token].replaceAll(WORD, " ");
    found.push({ words, p: probabilities[from + token] });
  }
  return found;
}

/** The text of some tokens, as in mvae/kinds/tokens.py. */
const joined = (tokens) => tokens.map(({ words }) => words).join("").replace(/\s+/g, " ").trim().normalize() || "(empty)";

/** The distinct texts with their counts, most frequent first. */
function counted(all) {
  const counts = new Map();
  for (const each of all) counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

export function text({ name, colour, categories }, index) {
  const heading = title(name, colour, name);
  const list = make("ol", { class: "texts", "data-of": name, style: `--colour:${colour}` });
  let texts = [];
  return {
    indices: [index], draws: DRAWS, parts: [heading.element, list],
    clear: () => (texts = []),
    add: (_, { [index]: probabilities }) => texts.push(joined(decodeTokens(probabilities, categories))),
    show() {
      const counts = counted(texts);
      list.replaceChildren(...counts.slice(0, SHOWN).map(([words, n]) => make("li", { style: `--share:${(100 * n) / texts.length}%` },
        make("span", {}, words), make("span", { class: "amount" }, `${n} of ${texts.length}`))));
      const different = counts.length === 1 ? "one text" : `${counts.length} texts`;
      heading.setNote(`${different} from ${texts.length} draws`);
    },
    hold({ [index]: probabilities }) {
      const tokens = decodeTokens(probabilities, categories);
      const spans = tokens.map(({ words, p }, i) => make("span", {
        class: "token", style: `--p:${(100 * p).toFixed(0)}%`, title: `“${words.trim()}” ${percent(p)}`,
      }, i ? words : words.trimStart()));
      list.replaceChildren(make("li", {}, make("span", {}, ...(spans.length ? spans : ["(empty)"]))));
      heading.setNote("at the point held");
    },
    words: ({ [index]: probabilities }) => `${name}: ${joined(decodeTokens(probabilities, categories))}`,
  };
}
