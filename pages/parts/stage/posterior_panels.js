/* Panels of a posterior: densities, shares of precision, and sharpness as evidence is added. */
import { density, information, sharpness } from "./algebra.js";
import { draw, make, number } from "../web/dom.js";

// A panel shows z from −range to range. Densities above TOP, four times the prior's peak, are cut
// off, because an image's expert can be thirty times as narrow as the prior.
const WIDTH = 180, HEIGHT = 84, FOOT = 14, TOP = 4 * 0.3989;

/** Path of the density of N(mean, std²), sampled finely where it is steep. */
function path(mean, std, range) {
  const points = [];
  for (let i = 0; i <= 60; i++) points.push(-range + (2 * range * i) / 60);
  for (let i = -24; i <= 24; i++) points.push(mean + (i / 24) * 4.5 * std);
  const inside = points.filter((z) => Math.abs(z) <= range).sort((a, b) => a - b);
  const corners = inside.map((z) => {
    const x = ((z + range) / (2 * range)) * WIDTH;
    // heights far above the top look the same; a bound keeps the numbers short
    const y = HEIGHT - (Math.min(density(z, mean, std), 10 * TOP) / TOP) * (HEIGHT - 4);
    return `${x.toFixed(2)} ${y.toFixed(2)}`;
  });
  return `M${corners.join("L")}`;
}

/** Densities in one dimension: prior, supplied experts, product. `move` redraws the product. */
function panel(name, d, factors, range) {
  const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`, role: "img" });
  svg.append(draw("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }));
  for (const z of [-2, 0, 2]) {
    const x = ((z + range) / (2 * range)) * WIDTH;
    const tick = draw("text", { class: "tick", x, y: HEIGHT + FOOT - 3 }, number(z, 0));
    svg.append(draw("line", { class: "axis", x1: x, x2: x, y1: HEIGHT, y2: HEIGHT + 3 }), tick);
  }
  const under = draw("path", { class: "under", "data-of": "product" });
  const top = draw("path", { class: "curve product", "data-of": "product" });
  const plot = draw("svg", { x: 0, y: 0, width: WIDTH, height: HEIGHT + 1, overflow: "hidden" }, under);
  factors.forEach((f, i) => {
    const curve = path(f.mean[d], Math.exp(0.5 * f.logvar[d]), range);
    if (i === 1) plot.append(top);
    const dashes = i ? {} : { "stroke-dasharray": "4 3" };
    plot.append(draw("path", { class: "curve", d: curve, stroke: f.colour, "data-of": f.name, ...dashes }));
  });
  if (factors.length === 1) plot.append(top);
  svg.append(plot);
  const nats = make("span", { title: "KL(q ‖ p) to the prior in this dimension, which depends on the mean as well as on the width" });
  const element = make("figure", {}, make("figcaption", {}, make("span", {}, name), nats), svg);
  function move(q) {
    const [mean, std] = [q.mean[d], Math.exp(0.5 * q.logvar[d])];
    const curve = path(mean, std, range);
    top.setAttribute("d", curve);
    under.setAttribute("d", `${curve}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`);
    nats.textContent = `${number(information(q)[d])} nats`;
    const words = `the posterior has mean ${number(mean, 2)} and standard deviation ${number(std, 3)}`;
    svg.setAttribute("aria-label", `${name}: ${words}`);
  }
  return { element, move };
}

/** With more modalities than this, each gets less space. */
export const MANY = 8;

/** A panel for each dimension, on one scale; `move` redraws the product in all of them. */
export function curves(dimensions, factors, q) {
  const means = [q, ...factors].flatMap(({ mean }) => dimensions.map((d) => Math.abs(mean[d]) + 0.5));
  const range = Math.min(8, Math.max(3.5, ...means));
  const panels = dimensions.map((d) => panel(`z${d}`, d, factors, range));
  const element = make("div", { class: "curves" }, ...panels.map((p) => p.element));
  return { element, move: (moved) => panels.forEach((p) => p.move(moved)) };
}

/** The legend, with a switch that supplies or drops each modality that has a value. */
export function legend(modalities, supplied, toggle) {
  const swatch = (style) => make("span", { class: "swatch", style });
  const list = make("ul", { class: "legend" });
  list.append(make("li", { "data-of": "prior" }, swatch("border-color:var(--prior);border-top-style:dashed"), "prior"));
  for (const { name, colour, available } of modalities) {
    if (!available) continue;
    const on = supplied.includes(name);
    const whose = `${name}${name.endsWith("s") ? "’" : "’s"} expert`;
    const words = modalities.length <= MANY ? whose : name;
    const button = make("button", {
      type: "button", role: "switch", "aria-checked": String(on), "data-of": name,
      "aria-label": whose, onclick: () => toggle(name),
    }, swatch(`border-color:${colour}`), words);
    list.append(make("li", {}, button));
  }
  list.append(make("li", { "data-of": "product" }, swatch("border-color:currentColor"), "product: the posterior"));
  return list;
}

/** A row of a bar chart: a name, stacked parts with widths in percent, and the amount as text. */
export function bar(name, parts, { text, aria }, attributes = {}) {
  const stack = make("span", { class: "stack", role: "img", "aria-label": `${name}: ${aria ?? text}`, ...attributes });
  for (const { width, colour, of, opacity } of parts) {
    const style = `width:${width.toFixed(3)}%;background:${colour};--strength:${opacity ?? 1}`;
    stack.append(make("i", { style, "data-of": of ?? null }));
  }
  return [make("span", {}, name), stack, make("span", { class: "amount" }, text)];
}

/** Each factor's share of the precision in some dimensions. */
export function shares(dimensions, factors, product) {
  const grid = make("div", { class: "bars shares" });
  for (const d of dimensions) {
    const part = product.shares.map((share) => share[d]);
    const parts = factors.map((f, i) => ({ width: 100 * part[i], colour: f.colour, of: f.name }));
    const strongest = part.indexOf(Math.max(...part));
    const text = `${factors[strongest].name} ${number(100 * part[strongest], 0)} %`;
    const aria = factors.map((f, i) => `${f.name} ${number(100 * part[i])} %`).join(", ");
    grid.append(...bar(`z${d}`, parts, { text, aria }));
  }
  return grid;
}

/**
 * Sharpness of the posterior after each modality: `steps` are the products of the first 0, 1, …
 * modalities, of which `count` are supplied so far.
 */
export function growth(steps, factors, count) {
  const nats = steps.map(sharpness);
  const longest = Math.max(...nats, 1e-6);
  const grid = make("div", { class: "bars growth" });
  nats.forEach((total, step) => {
    const reached = step <= count;
    const parts = factors.slice(1, reached ? step + 1 : 0).map((f, i) => {
      const width = (100 * (nats[i + 1] - nats[i])) / longest;
      return { width, colour: f.colour, of: f.name, opacity: i + 1 === step ? 1 : 0.45 };
    });
    const text = reached ? `${number(Math.abs(total) < 0.05 ? 0 : total)} nats` : "";
    const of = factors[step].name;
    const row = bar(step ? `+ ${of}` : "prior", parts, { text, aria: reached ? text : "not supplied yet" }, { tabindex: 0, "data-of": of });
    if (!reached) row.forEach((part) => part.classList.add("pending"));
    grid.append(...row);
  });
  return grid;
}
