const SVG = "http://www.w3.org/2000/svg";

/** Make an element with attributes and children. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") element.style.cssText = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// A panel shows z from −RANGE to RANGE; densities run off its top beyond TOP, four times the
// prior's peak, because an image's expert can be thirty times as narrow as the prior.
const WIDTH = 180, HEIGHT = 84, FOOT = 14, TOP = 4 * 0.3989;

/** Path of the density of N(mean, std²), sampled finely where it is steep. */
function density(mean, std, range) {
  const points = new Set();
  for (let i = 0; i <= 60; i++) points.add(-range + (2 * range * i) / 60);
  for (let i = -30; i <= 30; i++) points.add(mean + (i / 30) * 4.5 * std);
  const xs = [...points].filter((z) => Math.abs(z) <= range).sort((a, b) => a - b);
  return xs.map((z) => {
    const p = Math.exp(-0.5 * ((z - mean) / std) ** 2) / (std * 2.5066);
    const x = ((z + range) / (2 * range)) * WIDTH;
    // Far above the top any height looks the same; a bound keeps the numbers short.
    const y = HEIGHT - (Math.min(p, 10 * TOP) / TOP) * (HEIGHT - 4);
    return `${x.toFixed(2)} ${y.toFixed(2)}`;
  });
}

function panel(dimension, factors, range) {
  const [mean, std] = dimension.product;
  const svg = draw("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT + FOOT}`,
    role: "img",
    "aria-label": `${dimension.name}: the belief has mean ${mean.toFixed(2)} and standard deviation ${std.toFixed(3)}`,
  });
  svg.append(draw("line", { class: "axis", x1: 0, x2: WIDTH, y1: HEIGHT, y2: HEIGHT }));
  for (const z of [-2, 0, 2]) {
    const x = ((z + range) / (2 * range)) * WIDTH;
    const text = draw("text", { class: "tick", x, y: HEIGHT + FOOT - 3 });
    text.textContent = String(z).replace("-", "−");
    svg.append(draw("line", { class: "axis", x1: x, x2: x, y1: HEIGHT, y2: HEIGHT + 3 }), text);
  }
  const plot = draw("svg", { x: 0, y: 0, width: WIDTH, height: HEIGHT + 1, overflow: "hidden" });
  const curve = (m, s) => `M${density(m, s, range).join("L")}`;
  plot.append(draw("path", { class: "curve", d: curve(0, 1), stroke: factors[0].colour, "stroke-dasharray": "4 3" }));
  plot.append(draw("path", { class: "under", d: `${curve(mean, std)}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z` }));
  plot.append(draw("path", { class: "curve product", d: curve(mean, std) }));
  dimension.experts.forEach(([m, s], i) => {
    plot.append(draw("path", { class: "curve", d: curve(m, s), stroke: factors[i + 1].colour }));
  });
  svg.append(plot);
  const caption = make("figcaption", {}, make("span", {}, dimension.name), make("span", {}, `${dimension.nats.toFixed(1)} nats`));
  return make("figure", {}, caption, svg);
}

function legend(factors) {
  const entry = (name, style) => make("li", {}, make("span", { class: "swatch", style }), name);
  const list = make("ul", { class: "legend" });
  factors.forEach((f, i) =>
    list.append(i ? entry(`${f.name}’s expert`, `border-color:${f.colour}`)
                  : entry("prior", `border-color:${f.colour};border-top-style:dashed`)));
  list.append(entry("product: the belief", "border-color:currentColor"));
  return list;
}

/** A row of a bar chart: name, stacked parts of given widths in percent, amount in words. */
function bar(name, parts, amount, thick) {
  const stack = make("span", { class: thick ? "stack thick" : "stack", role: "img", "aria-label": `${name}: ${amount.aria}` });
  for (const { width, colour, opacity } of parts) {
    stack.append(make("i", { style: `width:${width.toFixed(3)}%;background:${colour};opacity:${opacity ?? 1}` }));
  }
  return [make("span", {}, name), stack, make("span", { class: "amount" }, amount.text)];
}

function shares(data) {
  const grid = make("div", { class: "bars" });
  for (const d of data.dimensions) {
    const parts = data.factors.map((f, i) => ({ width: 100 * d.shares[i], colour: f.colour }));
    const strongest = d.shares.indexOf(Math.max(...d.shares));
    const text = `${data.factors[strongest].name} ${(100 * d.shares[strongest]).toFixed(0)} %`;
    const aria = data.factors.map((f, i) => `${f.name} ${(100 * d.shares[i]).toFixed(1)} %`).join(", ");
    grid.append(...bar(d.name, parts, { text, aria }));
  }
  return grid;
}

function sharpness(data) {
  const grid = make("div", { class: "bars" });
  const longest = Math.max(...data.sharpness, 1e-6);
  data.sharpness.forEach((nats, step) => {
    const parts = [];
    for (let i = 1; i <= step; i++) {
      const width = (100 * (data.sharpness[i] - data.sharpness[i - 1])) / longest;
      parts.push({ width, colour: data.factors[i].colour, opacity: i === step ? 1 : 0.45 });
    }
    const text = `${nats.toFixed(1)} nats`;
    grid.append(...bar(step ? `+ ${data.factors[step].name}` : "prior", parts, { text, aria: text }, true));
  });
  return grid;
}

/** Paint one picture of a packed list: the colour of the text, as opaque as the pixel is bright. */
function paint(bytes, index, { width, height }, ink, label) {
  const canvas = make("canvas", { width, height, role: "img", "aria-label": label });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    image.data.set([...ink, bytes[index * width * height + i]], 4 * i);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function title(name, colour, words) {
  const b = make("b", { style: `border-color:${colour ?? "transparent"}` }, name);
  return make("p", { class: "title" }, b, make("span", {}, words));
}

function picture(data, ink) {
  const unpack = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const mean = make("div", { class: "mean" }, paint(unpack(data.mean), 0, data, ink, `mean generated ${data.name}`));
  for (const { colour, box: [x, y, w, h] } of data.frames) {
    const percent = (value, whole) => `${(100 * value) / whole}%`;
    mean.append(make("span", { class: "frame", style:
      `left:${percent(x, data.width)};top:${percent(y, data.height)};width:${percent(w, data.width)};height:${percent(h, data.height)};border-color:${colour}` }));
  }
  const samples = make("div", { class: "samples" });
  const bytes = unpack(data.samples);
  for (let i = 0; i < data.count; i++) samples.append(paint(bytes, i, data, ink, `generated ${data.name}, sample ${i + 1}`));
  return [title(data.name, data.colour, "mean, then samples"), mean, samples];
}

function label({ name, colour, categories, probabilities }) {
  const likeliest = probabilities.indexOf(Math.max(...probabilities));
  const percent = (p) => `${(100 * p).toFixed(1)} %`;
  const grid = make("div", { class: "bars" });
  probabilities.forEach((p, c) => {
    grid.append(...bar(categories[c], [{ width: 100 * p, colour }], { text: percent(p), aria: percent(p) }));
  });
  return [title(name, colour, `${categories[likeliest]}, ${percent(probabilities[likeliest])}`), grid];
}

/** The theme's text colour as red, green and blue. */
function inkOf(element) {
  return getComputedStyle(element).color.match(/\d+(\.\d+)?/g).slice(0, 3).map(Number);
}

export default function ({ data, parentElement }) {
  const ink = inkOf(parentElement.querySelector(".belief"));
  const means = data.curves.flatMap((d) => [d.product, ...d.experts]);
  const range = Math.min(8, Math.max(3.5, ...means.map(([mean]) => Math.abs(mean) + 0.5)));
  const curves = make("div", { class: "curves" });
  for (const d of data.curves) curves.append(panel(d, data.factors, range));
  parentElement.querySelector(".believed").replaceChildren(
    make("h4", {}, "Belief"),
    curves,
    legend(data.factors),
    make("p", { class: "note" }, 
      (data.chosen ? "" : "The dimensions that the evidence told most about. ") + "Narrow peaks run off the top."),
    make("h4", {}, "Who decides: share of precision"),
    shares(data),
    make("h4", {}, "How sharp, as evidence arrives"),
    sharpness(data),
  );
  parentElement.querySelector(".generated").replaceChildren(
    make("h4", {}, "Generated"),
    ...(data.picture ? picture(data.picture, ink) : []),
    ...data.labels.flatMap(label),
  );
}
