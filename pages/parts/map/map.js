/* The map: dots on two canvases with a common highlight, and a mark for the current posterior. */
import { arrange, beside, between, ease, isSquare, nearest, onCanvas, qualitative, sequential, towards, viewport } from "./chart.js";
import { asset } from "../web/assets.js";
import { make, rgb } from "../web/dom.js";
import { paintColours, paintInk } from "../web/picture.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const DOT = 4.2, MARGIN = 30, MOUSE = 14, FINGER = 26, MOVE = 600;
const INVITATION = "Point at an example or tap it to see it; click it or tap it again to open it on Experts.";

/* This module's function runs again at every update of the page; this state outlives it. */
const maps = new WeakMap();

/** Paint an example's picture. */
function paint(canvas, bytes, sample, { channels, height, width, inked }) {
  [canvas.width, canvas.height] = [width, height];
  const size = channels * width * height;
  const own = bytes.subarray(sample * size, (sample + 1) * size);
  if (inked) paintInk(canvas, own, rgb(getComputedStyle(canvas).color), 255);
  else paintColours(canvas, own, 255);
}

/** A category's name, preceded by the label's name if there are only two, such as "yes" and "no". */
const named = ({ name, categories }, c) => (categories.length === 2 ? `${name} ${categories[c]}` : categories[c]);

/** The elements of one layout, created once. */
function layout(name) {
  const [chart, picture, text] = [make("canvas", { class: "chart" }), make("canvas", { class: "picture" }), make("div")];
  const tip = make("div", { class: "tip" }, picture, text);
  [tip.hidden, picture.hidden] = [true, true];
  tip.ariaHidden = "true"; // the live region has the same text
  for (const [key, value] of Object.entries({ tabindex: 0, role: "application", "aria-describedby": "how" })) {
    chart.setAttribute(key, value);
  }
  chart.setAttribute("aria-roledescription", "map of examples");
  const caption = make("figcaption", {}, make("b", {}, name), make("span"));
  const figure = make("figure", {}, caption, make("div", { class: "paper" }, chart, tip));
  return { figure, note: caption.lastChild, chart, tip, picture, text, spots: [], mark: [0, 0] };
}

export default function ({ data, parentElement, setTriggerValue }) {
  const find = (name) => parentElement.querySelector(name);
  const { dots, label, layouts } = data;
  const first = !maps.has(parentElement);
  if (first) {
    const parts = layouts.map(({ name }) => layout(name));
    find(".layouts").append(...parts.map(({ figure }) => figure));
    maps.set(parentElement, { parts, hover: null, chosen: null, touch: false, frame: 0, old: null });
  }
  const state = maps.get(parentElement);
  const range = [Math.min(...dots.entropy), Math.max(...dots.entropy)];
  const nats = (value) => `${value.toFixed(1).replace("-", "−")} nats`;

  const colour = dots.sample.map((_, i) => {
    if (data.colour === "label") return dots.label[i] < 0 ? "transparent" : qualitative(dots.label[i]);
    return sequential((dots.entropy[i] - range[0]) / (range[1] - range[0] || 1));
  });
  const radius = dots.count.map((n) => DOT * n ** 0.25);
  const title = (i) => `Example ${dots.sample[i]}`;
  const facts = (i) => {
    const list = [`entropy ${nats(dots.entropy[i])}`];
    if (label) list.unshift(dots.label[i] < 0 ? `several ${label.name}s` : `${label.name} ${label.categories[dots.label[i]]}`);
    if (dots.count[i] > 1) list.push(`${dots.count[i]} examples at this point`);
    return list;
  };

  /* Dots and mark move from where they were last shown, or jump if reduced motion is preferred. */
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const old = state.old;
  const began = first || still ? -Infinity : performance.now();
  const part = () => ease((performance.now() - began) / MOVE);
  const start = layouts.map((_, l) => ({
    points: dots.sample.map((sample, i) => old?.[l].points[old[l].dotOf[sample]] ?? layouts[l].points[i]),
    mark: old?.[l].mark ?? layouts[l].mark,
  }));
  const shown = (l, time) => ({
    points: layouts[l].points.map((point, i) => between(start[l].points[i], point, time)),
    mark: between(start[l].mark, layouts[l].mark, time),
    dotOf: data.dotOf,
  });
  state.hover = null;
  if (state.chosen) {
    // The chosen example stays chosen; its dot may now stand for other examples too.
    const dot = data.dotOf[state.chosen.sample];
    state.chosen = { ...state.chosen, dot, sample: dots.sample[dot] };
  }

  function draw() {
    state.frame = 0;
    const time = part();
    state.old = layouts.map((_, l) => shown(l, time));
    state.parts.forEach((it, l) => drawLayout(it, layouts[l], state.old[l]));
    if (time < 1) later();
  }

  function later() {
    // Through the state, so that a frame requested before an update draws the new data.
    state.frame ||= requestAnimationFrame(() => state.draw());
  }

  function drawLayout(it, { bounds }, { points, mark }) {
    const { chart } = it;
    const [width, height] = [chart.clientWidth, chart.clientHeight];
    if (!width) return;
    const sharp = devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * sharp), Math.round(height * sharp)];
    if (chart.width !== wide || chart.height !== high) [chart.width, chart.height] = [wide, high];
    const context = chart.getContext("2d");
    const style = getComputedStyle(chart);
    const [ink, paper] = [style.color, style.backgroundColor];
    const accent = style.getPropertyValue("--st-primary-color").trim() || ink;
    context.setTransform(sharp, 0, 0, sharp, 0, 0);
    context.clearRect(0, 0, width, height);
    const window_ = viewport(bounds, width, height, MARGIN);
    it.spots = points.map((point) => onCanvas(window_, point));
    it.mark = onCanvas(window_, mark);

    const circle = ([x, y], r) => {
      context.beginPath();
      context.arc(x, y, r, 0, 2 * Math.PI);
    };
    const square = ([x, y], r) => {
      context.beginPath();
      context.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
    };
    const write = (text, x, y, align) => {
      [context.textAlign, context.textBaseline] = [align, "middle"];
      context.font = `600 12px ${style.fontFamily}`;
      const half = align === "center" ? context.measureText(text).width / 2 + 3 : 0;
      x = Math.min(Math.max(x, half), width - half);
      [context.strokeStyle, context.lineWidth, context.lineJoin] = [paper, 4, "round"];
      context.strokeText(text, x, y);
      context.fillStyle = ink;
      context.fillText(text, x, y);
    };
    it.spots.forEach((spot, i) => {
      (data.colour === "label" && isSquare(dots.label[i]) ? square : circle)(spot, radius[i]);
      context.fillStyle = colour[i];
      context.fill();
      // A thin edge in the text's colour shows pale dots on white and dark ones on black.
      [context.globalAlpha, context.strokeStyle, context.lineWidth] = [0.55, ink, 0.8];
      context.stroke();
      context.globalAlpha = 1;
    });
    const { dot } = state.hover ?? state.chosen ?? {};
    if (dot !== undefined) {
      circle(it.spots[dot], radius[dot] + 4);
      [context.strokeStyle, context.lineWidth] = [accent, 2.5];
      context.stroke();
      const [x, y] = it.spots[dot];
      if (label && dots.label[dot] >= 0 && !data.named) write(named(label, dots.label[dot]), x, y - radius[dot] - 12, "center");
    }
    const [x, y] = it.mark;
    for (const [line, thick] of [[paper, 6], [ink, 2.5]]) {
      [context.strokeStyle, context.lineWidth] = [line, thick];
      circle([x, y], 9);
      for (const [dx, dy] of Object.values(ARROWS)) {
        context.moveTo(x + 5 * dx, y + 5 * dy);
        context.lineTo(x + 15 * dx, y + 15 * dy);
      }
      context.stroke();
    }
    const toLeft = x > width / 2;
    write("the posterior", x + (toLeft ? -19 : 19), y, toLeft ? "right" : "left");
    if (data.named) {
      const texts = dots.label.map((c) => named(label, c));
      const sizes = texts.map((text) => [context.measureText(text).width + 4, 16]);
      const posterior = toLeft ? [x - 85, y - 9, x + 15, y + 9] : [x - 15, y - 9, x + 85, y + 9];
      arrange(it.spots, sizes, radius[0] + 1, [width, height], [posterior])
        .forEach(([a, b], i) => write(texts[i], a, b, "center"));
    }
    chart.dataset.mark = it.mark.map((c) => c.toFixed(1)).join(" ");
    if (!it.tip.hidden) putTip(it);
  }

  /** Put the tooltip beside its dot, which may have moved. */
  function putTip(it) {
    const target = state.hover ?? state.chosen;
    if (!target) return; // it is about to be hidden
    const size = [it.tip.offsetWidth, it.tip.offsetHeight];
    const [x, y] = beside(it.spots[target.dot], size, [it.chart.clientWidth, it.chart.clientHeight], 16);
    it.tip.style.transform = `translate(${x}px, ${y}px)`;
  }

  /** Show the tooltip of the example pointed at, or else of the chosen one. */
  function explain() {
    const target = state.hover ?? state.chosen;
    state.parts.forEach((it, l) => {
      it.tip.hidden = target?.layout !== l;
      it.chart.classList.toggle("over", state.hover?.layout === l);
      if (it.tip.hidden) return;
      it.text.replaceChildren(make("b", {}, title(target.dot)), ...facts(target.dot).map((f) => make("span", {}, f)));
      it.picture.hidden = !data.picture;
      putTip(it);
      if (!data.picture) return;
      asset(data.picture.path).then(
        (bytes) => (state.hover ?? state.chosen)?.sample === target.sample && paint(it.picture, new Uint8Array(bytes), target.sample, data.picture),
        () => ((it.picture.hidden = true), later()),
      );
    });
    later();
  }

  function choose(l, dot) {
    state.chosen = dot < 0 ? null : { layout: l, dot, sample: dots.sample[dot] };
    state.hover = null;
    announce();
    explain();
  }

  function announce() {
    const { chosen } = state;
    find(".status").textContent = chosen ? `${title(chosen.dot)}: ${facts(chosen.dot).join(", ")}.` : INVITATION;
    find(".open").hidden = !chosen;
    if (chosen) find(".open").textContent = `Open example ${chosen.sample} on Experts`;
  }

  const open = (dot) => setTriggerValue("open", dots.sample[dot]);
  find(".open").onclick = () => open(state.chosen.dot);

  state.parts.forEach((it, l) => {
    const { chart } = it;
    const { name } = layouts[l];
    it.note.textContent = layouts[l].note;
    chart.setAttribute("aria-label",
      `${name} of ${data.dotOf.length} examples given ${data.words}; the posterior is given ${data.mark}`);
    const at = ({ clientX, clientY }, reach) => {
      const { left, top } = chart.getBoundingClientRect();
      const spot = [clientX - left - chart.clientLeft, clientY - top - chart.clientTop];
      return nearest(it.spots, spot, reach);
    };
    /* Handlers are assigned, not added: the next run replaces them. */
    chart.ontransitionend = later;
    chart.onpointerdown = (event) => (state.touch = event.pointerType === "touch");
    chart.onpointermove = (event) => {
      if (event.pointerType === "touch") return;
      const dot = at(event, MOUSE);
      if (dot === (state.hover?.dot ?? -1) && (dot < 0 || state.hover.layout === l)) return;
      state.hover = dot < 0 ? null : { layout: l, dot, sample: dots.sample[dot] };
      explain();
    };
    chart.onpointerleave = () => {
      state.hover = null;
      explain();
    };
    chart.onclick = (event) => {
      const dot = at(event, state.touch ? FINGER : MOUSE);
      if (dot < 0) return;
      // Touch has no hover: the first tap shows an example, the second opens it.
      if (state.touch && dot !== state.chosen?.dot) choose(l, dot);
      else open(dot);
    };
    chart.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const arrow = ARROWS[event.key];
      const dot = state.chosen?.dot ?? -1;
      if (event.key === "Escape") choose(l, -1);
      else if (event.key === "Enter" && dot >= 0) open(dot);
      else if (arrow) {
        // The first arrow finds the example nearest to the posterior; at an edge nothing moves.
        const next = dot < 0 ? nearest(it.spots, it.mark, Infinity) : towards(it.spots, dot, arrow);
        choose(l, next < 0 ? dot : next);
      } else return;
      event.preventDefault();
    };
  });

  legend(find(".legend"), data, range, nats);
  announce();
  state.draw = draw;
  draw();
  explain();
  const observer = new ResizeObserver(later);
  state.parts.forEach(({ chart }) => observer.observe(chart));
  return () => observer.disconnect();
}

/** Draw the legend of the colours and the mark. */
function legend(element, { colour, label, dots, mark }, range, nats) {
  const swatch = (background, className = "") => {
    const square = make("i", { class: className });
    square.style.background = background;
    return square;
  };
  const entries = [make("span", {}, make("i", { class: "mark" }), `the posterior, given ${mark}`)];
  if (colour === "label") {
    label.categories.forEach((_, c) => {
      entries.push(make("span", {}, swatch(qualitative(c), isSquare(c) ? "square" : ""), named(label, c)));
    });
    if (dots.label.includes(-1)) entries.push(make("span", {}, swatch("transparent"), "several"));
  } else {
    const stops = Array.from({ length: 13 }, (_, i) => sequential(i / 12)).join(", ");
    entries.push(make("span", {}, `entropy ${nats(range[0])}`, swatch(`linear-gradient(90deg, ${stops})`, "scale"), nats(range[1])));
  }
  element.replaceChildren(...entries);
}
