/*
 * The scene of draggable experts: Gaussians on a line or in a plane, with handles for their means
 * and widths, and their product with its arithmetic.
 */
import { conflict, density, disagreement, product, sharpness } from "./algebra.js";
import { draw, light, make, number } from "../web/dom.js";
import { arrowKeys } from "../web/keys.js";
import { bar } from "./posterior_panels.js";

/** The height of a line in pixels and of an area relative to its width; the range of z of each. */
const LINE = { height: 300, range: 5 }, AREA = { aspect: 0.7, range: 4.5 };
/** Least and greatest width of the drawing in pixels. */
const BREADTHS = [300, 640];
const FLOOR = 26, DEVIATE = 2;
const NARROWEST = 0.2, WIDEST = 3, NUDGE = 0.1;

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const asGaussian = ({ mean, std }) => ({
  mean: Float64Array.from(mean), logvar: Float64Array.from(std, (s) => 2 * Math.log(s)),
});

/** Conversion between z and the drawing, for one dimension or two. */
function scaleOf(dims, room) {
  const breadth = clamp(room || Infinity, ...BREADTHS);
  const { range } = dims === 1 ? LINE : AREA;
  const height = dims === 1 ? LINE.height : AREA.aspect * breadth;
  const unit = breadth / (2 * range);
  const scale = {
    breadth, height, range, unit,
    top: 1, // the density at the top of a line
    x: (z) => breadth / 2 + z * unit,
    y: dims === 1
      ? (p) => height - FLOOR - (p / scale.top) * (height - FLOOR - 8)
      : (z) => height / 2 - z * unit,
    from: (x, y) => [(x - breadth / 2) / unit, (height / 2 - y) / unit],
  };
  return scale;
}

/** The path of a density on the line, sampled evenly and at extra points. */
function outline(scale, p, extra) {
  const step = scale.range / 200;
  const all = [...extra.flat()];
  for (let z = -scale.range; z <= scale.range; z += step) all.push(z);
  all.sort((a, b) => a - b);
  return `M${all.map((z) => `${scale.x(z).toFixed(1)} ${scale.y(p(z)).toFixed(1)}`).join("L")}`;
}

const around = (mean, std) => Array.from({ length: 31 }, (_, i) => mean + ((i - 15) / 5) * std);

export function draggableExpertsScene(root) {
  const [plot, readings] = [make("div", { class: "experts" }), make("div", { class: "readings" })];
  const status = make("p", { class: "unseen", role: "status" });
  const section = make("section", { class: "wide", "aria-label": "Experts" }, plot, readings, status);
  root.replaceChildren(section);
  let [data, send, experts, scale, svg, parts, grabbed, built] = [];

  /** Build everything that is drawn once: axes, curves, handles. */
  function build() {
    const { dims } = data;
    scale = scaleOf(dims, root.clientWidth);
    svg = draw("svg", { class: "arena", viewBox: `0 0 ${scale.breadth} ${scale.height}`, role: "group", "aria-label": "Gaussians with handles" });
    axes(dims);
    const shape = (attributes) => draw(dims === 1 ? "path" : "ellipse", { class: "curve", ...attributes });
    parts = { drawn: [] };
    if (data.prior) parts.prior = shape({ stroke: "var(--prior)", "stroke-dasharray": "6 5", "data-of": "prior" });
    parts.under = shape({ class: "under", "data-of": "product" });
    parts.product = shape({ class: "curve product", "data-of": "product" });
    if (data.mixture) parts.mixture = shape({ class: "curve mixture", "data-of": "mixture" });
    svg.append(...[parts.prior, parts.under, parts.product, parts.mixture].filter(Boolean));
    for (const { name, colour } of experts) {
      const curve = shape({ stroke: colour, fill: "none", "data-of": name });
      svg.append(curve);
      parts.drawn.push({ curve, handles: [] });
    }
    experts.forEach((expert, i) => {
      const kinds = dims === 1 ? ["mean", "width"] : ["mean", "width", "height"];
      for (const kind of kinds) {
        svg.append(handleOf(expert, i, kind));
      }
    });
    plot.replaceChildren(svg, switches());
  }

  function axes(dims) {
    const line = (x1, y1, x2, y2) => draw("line", { class: "axis", x1, y1, x2, y2 });
    const base = scale.y(0);
    svg.append(line(0, base, scale.breadth, base));
    if (dims === 2) svg.append(line(scale.x(0), 0, scale.x(0), scale.height));
    for (let z = -4; z <= 4; z += 2) {
      if (dims === 2 && !z) continue;
      svg.append(draw("text", { class: "tick big", x: scale.x(z), y: base + 18 }, number(z, 0)));
      if (dims === 2 && Math.abs(z) < 4) svg.append(draw("text", { class: "tick big", x: scale.x(0) + 14, y: scale.y(z) + 4 }, number(z, 0)));
    }
  }

  function handleOf(expert, index, kind) {
    const mark = kind === "mean"
      ? draw("circle", { r: 9, fill: expert.colour })
      : draw("rect", { x: -7, y: -7, width: 14, height: 14, fill: "var(--st-background-color)", stroke: expert.colour, "stroke-width": 3, transform: "rotate(45)" });
    const group = draw("g", {
      class: "grip", role: "slider", tabindex: 0, "data-of": expert.name,
      "aria-label": `${expert.name}: ${kind === "mean" ? "mean" : kind === "height" ? "upward standard deviation" : "standard deviation"}`,
      "aria-valuemin": kind === "mean" ? -scale.range : NARROWEST, "aria-valuemax": kind === "mean" ? scale.range : WIDEST,
    }, draw("circle", { class: "reach", r: 22 }), mark);
    group.onpointerdown = (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      svg.setPointerCapture(event.pointerId);
      grabbed = { pointer: event.pointerId, index, kind };
      root.classList.add("grabbing");
      group.focus({ preventScroll: true });
      event.preventDefault();
    };
    const by = (arrow) => nudge(index, kind, arrow.map((step) => step * NUDGE));
    parts.drawn[index].handles.push({ kind, handle: group, nudging: arrowKeys(group, by, notify) });
    return group;
  }

  /** A switch for each expert; one that is off is a factor left out. */
  function switches() {
    const list = make("ul", { class: "legend" });
    const swatch = (style) => make("span", { class: "swatch", style });
    if (data.prior) list.append(make("li", { "data-of": "prior" }, swatch("border-color:var(--prior);border-top-style:dashed"), "prior"));
    experts.forEach(({ name, colour }, i) => {
      const turn = () => {
        experts[i].on = !experts[i].on;
        refresh();
        status.textContent = summary();
        notify();
      };
      const button = make("button", {
        type: "button", role: "switch", "data-of": name, "aria-label": name, onclick: turn,
      }, swatch(`border-color:${colour}`), name);
      parts.drawn[i].button = button;
      list.append(make("li", {}, button));
    });
    list.append(make("li", { "data-of": "product" }, swatch("border-color:currentColor"), "product"));
    if (data.mixture) list.append(make("li", { "data-of": "mixture" }, swatch("border-color:currentColor;border-top-style:dotted"), "mixture of the same factors"));
    return list;
  }

  function nudge(index, kind, [right, up]) {
    const { mean, std } = experts[index];
    if (kind !== "mean") set(index, kind, std.map((s) => s + right + up));
    else set(index, kind, data.dims === 1 ? [mean[0] + right + up] : [mean[0] + right, mean[1] + up]);
  }

  /** Change a mean or a width, within bounds. */
  function set(index, kind, values) {
    const expert = experts[index];
    const limit = scale.range - 0.3;
    if (kind === "mean") expert.mean = expert.mean.map((_, d) => clamp(values[d], -limit, limit));
    else {
      const axis = kind === "height" ? 1 : 0;
      expert.std[axis] = clamp(values[axis], NARROWEST, WIDEST);
    }
    refresh();
  }

  function pull(event) {
    const box = svg.getBoundingClientRect();
    const size = scale.breadth / box.width;
    const point = scale.from((event.clientX - box.left) * size, (event.clientY - box.top) * size);
    const { index, kind } = grabbed;
    const { mean } = experts[index];
    const reach = data.dims === 1 ? 1 : DEVIATE;
    if (kind === "mean") set(index, kind, point);
    else set(index, kind, point.map((z, d) => Math.abs(z - mean[d]) / reach));
  }

  function inferred() {
    const on = experts.filter((expert) => expert.on);
    const prior = data.prior || !on.length;
    const q = product(on.map(asGaussian), data.dims, prior);
    return { on, prior, q };
  }

  function summary() {
    const { on, q } = inferred();
    if (!on.length && !data.prior) return "Every factor is switched off, so there is no product.";
    const std = q.logvar.map((v) => Math.exp(0.5 * v));
    const at = [...q.mean].map((m) => number(m, 2)).join(", ");
    return `The product is at ${at} with standard deviation ${[...std].map((s) => number(s, 2)).join(", ")}.`;
  }

  function drawCurve(element, mean, std) {
    if (data.dims === 1) {
      element.setAttribute("d", outline(scale, (z) => density(z, mean[0], std[0]), [around(mean[0], std[0])]));
      return;
    }
    const set = (name, value) => element.setAttribute(name, value.toFixed(1));
    set("cx", scale.x(mean[0]));
    set("cy", scale.y(mean[1]));
    set("rx", DEVIATE * std[0] * scale.unit);
    set("ry", DEVIATE * std[1] * scale.unit);
  }

  /** Redraw everything that depends on the handles. */
  function refresh() {
    const { on, q } = inferred();
    const defined = on.length > 0 || data.prior;
    const std = q.logvar.map((v) => Math.exp(0.5 * v));
    // The scale adapts at once to a rising peak, and to a falling one when the drag ends.
    const peak = 0.5 / Math.min(std[0], ...experts.map((expert) => expert.std[0]));
    if (peak > scale.top || !grabbed) scale.top = Math.max(peak, 0.55);
    if (parts.prior) drawCurve(parts.prior, [0, 0], [1, 1]);
    for (const part of [parts.product, parts.under]) {
      part.style.display = defined ? "" : "none";
      drawCurve(part, q.mean, std);
    }
    if (data.dims === 1) parts.under.setAttribute("d", `${parts.under.getAttribute("d")}L${scale.breadth} ${scale.y(0)}L0 ${scale.y(0)}Z`);
    if (parts.mixture) mix(on);
    const words = summary();
    experts.forEach((expert, i) => {
      const { button, curve, handles } = parts.drawn[i];
      button.setAttribute("aria-checked", String(expert.on));
      drawCurve(curve, expert.mean, expert.std);
      curve.classList.toggle("off", !expert.on);
      for (const { kind, handle } of handles) {
        const axis = kind === "height" ? 1 : 0;
        handle.setAttribute("transform", `translate(${gripOf(expert, kind).map((v) => v.toFixed(1)).join(" ")})`);
        handle.classList.toggle("off", !expert.on);
        const value = kind === "mean" ? expert.mean[0] : expert.std[axis];
        handle.setAttribute("aria-valuenow", value.toFixed(2));
        const own = kind === "mean" ? expert.mean.map((m) => number(m, 2)).join(", ") : number(value, 2);
        handle.setAttribute("aria-valuetext", `${own}. ${words}`);
      }
    });
    readings.replaceChildren(...(defined ? read(on, q) : [make("p", { class: "note" }, words)]));
    light(root);
  }

  function gripOf({ mean, std }, kind) {
    const [right, up] = [kind === "width" ? std[0] : 0, kind === "height" ? std[1] : 0];
    if (data.dims === 1) {
      const z = mean[0] + right;
      return [scale.x(z), Math.max(scale.y(density(z, mean[0], std[0])), 12)];
    }
    return [scale.x(mean[0] + DEVIATE * right), scale.y(mean[1] + DEVIATE * up)];
  }

  /** Draw the equally weighted mixture of the posteriors given each expert alone. */
  function mix(on) {
    const alone = on.map((w) => product([asGaussian(w)], 1, data.prior));
    parts.mixture.style.display = alone.length ? "" : "none";
    const p = (z) => alone.reduce((sum, a) => sum + density(z, a.mean[0], Math.exp(0.5 * a.logvar[0])), 0) / alone.length;
    parts.mixture.setAttribute("d", outline(scale, p, alone.map((a) => around(a.mean[0], Math.exp(0.5 * a.logvar[0])))));
  }

  /** The readings: the sum of precisions, shares, sharpness and conflict. */
  function read(on, q) {
    const term = (of, text) => make("span", { class: "term", "data-of": of, style: `color:color-mix(in srgb, ${colourOf(of)} 75%, currentColor)` }, text);
    const colourOf = (of) => (of === "prior" ? "var(--prior)" : experts.find((expert) => expert.name === of)?.colour ?? "currentColor");
    const sides = data.dims === 1 ? [""] : ["→ ", "↑ "];
    const rows = sides.map((side, d) => {
      const terms = [...(data.prior ? [term("prior", "1")] : []), ...on.map((w) => term(w.name, number(1 / w.std[d] ** 2)))];
      const spread = terms.flatMap((t, i) => (i ? [" + ", t] : [t]));
      const total = make("b", { "data-of": "product" }, number(Math.exp(-q.logvar[d])));
      return make("p", { class: "arithmetic" }, side, ...spread, " = ", total);
    });
    const factors = [...(data.prior ? ["prior"] : []), ...on.map((expert) => expert.name)];
    const grid = make("div", { class: "bars shares" });
    sides.forEach((side, d) => {
      const shares = q.shares.slice(data.prior ? 0 : 1).map((share) => share[d]);
      const widths = factors.map((of, i) => ({ width: 100 * shares[i], colour: colourOf(of), of }));
      const aria = factors.map((of, i) => `${of} ${number(100 * shares[i], 0)} %`).join(", ");
      grid.append(...bar(`${side}shares`, widths, { text: `at ${number(q.mean[d], 2)}`, aria }));
    });
    const facts = [];
    if (data.prior) {
      facts.push(`${number(sharpness(q), 2)} nats sharper than the prior`);
      const gaussians = on.map(asGaussian);
      const among = disagreement(gaussians);
      facts.push(`conflict: ${number(among, 1)} with each other, ${number(conflict(gaussians, q) - among, 1)} with the prior`);
    }
    return [make("h4", {}, "Precisions add"), ...rows, grid, ...(facts.length ? [make("p", { class: "facts" }, facts.join(" · "))] : [])];
  }

  function notify() {
    send({ experts: experts.map((w) => [...w.mean, ...w.std, w.on ? 1 : 0]) });
  }

  function update(next, to, outdated) {
    [data, send] = [next, to];
    const nudging = parts?.drawn.some(({ handles }) => handles.some((handle) => handle.nudging()));
    if (grabbed || nudging || outdated) return;
    experts = data.experts.map((w) => ({ ...w, mean: [...w.mean], std: [...w.std] }));
    const layout = JSON.stringify([data.dims, data.prior, data.mixture, experts.map((expert) => expert.name)]);
    if (layout !== built) build();
    built = layout;
    svg.onpointermove = (event) => event.pointerId === grabbed?.pointer && pull(event);
    svg.onpointerup = svg.onpointercancel = (event) => {
      if (event.pointerId !== grabbed?.pointer) return;
      grabbed = null;
      root.classList.remove("grabbing");
      refresh();
      notify();
    };
    refresh();
  }

  return { update, repaint: refresh, relight() {}, leave() {} };
}
