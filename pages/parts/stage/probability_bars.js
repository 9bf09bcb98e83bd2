/* Generated labels and tags: probabilities as bars. */
import { largest } from "./activations.js";
import { averaged } from "./average.js";
import { percent, title } from "./column_headings.js";
import { bar } from "./posterior_panels.js";
import { make } from "../web/dom.js";

/** Largest number of categories that are all shown; number of likeliest ones shown otherwise. */
const ALL = 20, LIKELIEST = 12;
/** Largest number of tags that are listed in words. */
const LISTED = 5;

/** A bar of one probability. */
function row(colour, of) {
  const [words, stack, amount] = bar("", [{ width: 0, colour, of }], { text: "" });
  return {
    parts: [words, stack, amount],
    set(name, p) {
      words.textContent = name;
      stack.firstChild.style.width = `${(100 * p).toFixed(3)}%`;
      amount.textContent = percent(p);
      stack.setAttribute("aria-label", `${name}: ${amount.textContent}`);
    },
  };
}

/** Bars of all categories in order or, if there are many, of the likeliest, sorted. */
function bars({ name, colour, categories }) {
  const count = categories.length > ALL ? LIKELIEST : categories.length;
  const rows = Array.from({ length: count }, () => row(colour, name));
  const element = make("div", { class: "bars" }, ...rows.flatMap(({ parts }) => parts));
  function show(p) {
    const order = Array.from(categories.keys());
    if (count < order.length) order.sort((a, b) => p[b] - p[a] || a - b);
    rows.forEach(({ set }, i) => set(categories[order[i]], p[order[i]]));
  }
  return { element, show };
}

/** The distribution of a label. */
export function label(modality, index) {
  const { name, colour, categories } = modality;
  const [heading, { element, show }] = [title(name, colour, name), bars(modality)];
  const likeliest = (p, digits) => {
    const c = largest(p);
    return `${categories[c]}, ${percent(p[c], digits)}`;
  };
  return averaged([index], {
    parts: [heading.element, element],
    show({ [index]: p }) {
      show(p);
      heading.setNote(likeliest(p));
    },
    words: ({ [index]: p }) => `${name} ${likeliest(p, 0)}`,
  });
}

/** The names with a probability above ½, the likeliest first. */
function likely(names, p) {
  const found = names.map((name, i) => [name, p[i]]).filter(([, value]) => value > 0.5);
  return found.sort((a, b) => b[1] - a[1]).map(([name]) => name);
}

function listed(names) {
  if (!names.length) return "none";
  return names.length > LISTED ? `${names.slice(0, LISTED).join(", ")} and ${names.length - LISTED} more` : names.join(", ");
}

/** The probability of each tag. */
export function tags(modality, index) {
  const { name, colour, categories } = modality;
  const [heading, { element, show }] = [title(name, colour, name), bars(modality)];
  return averaged([index], {
    parts: [heading.element, element],
    show({ [index]: p }) {
      show(p);
      heading.setNote(`${likely(categories, p).length} of ${categories.length} likelier than not`);
    },
    words: ({ [index]: p }) => `${name}: ${listed(likely(categories, p))}`,
  });
}

/** Several binary labels: the probability of the second category of each. */
export function decisions(labels) {
  const indices = labels.map(([index]) => index);
  const seconds = new Set(labels.map(([, { categories }]) => categories[1]));
  const what = seconds.size === 1 ? `p(${[...seconds][0]})` : "p(second category)";
  const heading = title(what, null, null);
  const names = labels.map(([, { name, categories }]) => (seconds.size === 1 ? name : `${name}: ${categories[1]}`));
  const rows = labels.map(([, { name, colour }]) => row(colour, name));
  rows.forEach(({ parts }, i) => parts[0].setAttribute("data-of", labels[i][1].name));
  const grid = make("div", { class: "bars decisions" }, ...rows.flatMap(({ parts }) => parts));
  const second = (means) => indices.map((index) => means[index][1]);
  return averaged(indices, {
    parts: [heading.element, grid],
    show(means) {
      const p = second(means);
      rows.forEach(({ set }, i) => set(names[i], p[i]));
      heading.setNote(`${likely(names, p).length} of ${p.length} likelier than not`);
    },
    words: (means) => `${what}: ${listed(likely(names, second(means)))}`,
  });
}
