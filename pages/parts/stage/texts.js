/* What is generated of a text: what the draws say, or one text with how sure each token is. */
import { largest } from "./activations.js";
import { percent, title } from "./column_headings.js";
import { END } from "./recurrent.js";
import { make } from "../web/dom.js";

/** Saying a text takes many steps, so fewer draws say one; and so many different ones are shown. */
const DRAWS = 16, SHOWN = 5;
/** What stands in a token for the space before a word; and the token of unknown characters. */
const WORD = "▁", UNKNOWN = "<unk>";

/** The tokens of the text that probabilities (places, vocabulary) make likeliest, up to its end. */
function spoken(probabilities, categories) {
  const found = [];
  for (let from = 0; from < probabilities.length; from += categories.length) {
    const token = largest(probabilities, from, from + categories.length);
    if (token === END) break;
    const words = categories[token] === UNKNOWN ? "\ufffd" : categories[token].replaceAll(WORD, " ");
    found.push({ words, p: probabilities[from + token] });
  }
  return found;
}

/** The text itself, as mvae/kinds/tokens.py reads it. */
const joined = (tokens) => tokens.map(({ words }) => words).join("").replace(/\s+/g, " ").trim().normalize() || "(empty)";

/** The different texts with how many say them, most frequent first. */
function counted(texts) {
  const counts = new Map();
  for (const each of texts) counts.set(each, (counts.get(each) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

export function text({ name, colour, categories }, index) {
  const heading = title(name, colour, name);
  const list = make("ol", { class: "texts", "data-of": name, style: `--colour:${colour}` });
  let said = [];
  return {
    indices: [index], draws: DRAWS, parts: [heading.element, list],
    clear: () => (said = []),
    add: (_, { [index]: probabilities }) => said.push(joined(spoken(probabilities, categories))),
    show() {
      const counts = counted(said);
      list.replaceChildren(...counts.slice(0, SHOWN).map(([words, n]) => make("li", { style: `--share:${(100 * n) / said.length}%` },
        make("span", {}, words), make("span", { class: "amount" }, `${n} of ${said.length}`))));
      const different = counts.length === 1 ? "one text" : `${counts.length} texts`;
      heading.say(`${different} from ${said.length} draws`);
    },
    hold({ [index]: probabilities }) {
      const tokens = spoken(probabilities, categories);
      const spans = tokens.map(({ words, p }, i) => make("span", {
        class: "token", style: `--p:${(100 * p).toFixed(0)}%`, title: `“${words.trim()}” ${percent(p)}`,
      }, i ? words : words.trimStart()));
      list.replaceChildren(make("li", {}, make("span", {}, ...(spans.length ? spans : ["(empty)"]))));
      heading.say("at the point held");
    },
    words: ({ [index]: probabilities }) => `${name}: ${joined(spoken(probabilities, categories))}`,
  };
}
