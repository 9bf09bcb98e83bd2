/*
 * A plane through latent space: the examples as points, the exact posterior (if known) as a heat
 * map, the prior, experts and product as ellipses, and a handle for the latent.
 */
import { ellipse, slice } from "./algebra.js";
import { MANY } from "./posterior_panels.js";
import { make, number } from "../web/dom.js";
import { arrowKeys } from "../web/keys.js";
import { paintInk } from "../web/picture.js";

/** Standard deviations at which ellipses are drawn; ratio of the plane's width to its height. */
const DEVIATIONS = 2, ASPECT = 1.25;
/** If there are many experts, those with a larger standard deviation are drawn only on hover. */
const WIDE = 2;
/** An ellipse with a shorter half axis than this, in pixels, is magnified in an inset. */
const SMALL = 14;
/** The inset's greatest side, its side relative to the plane's width, and its margin. */
const INSET = 128, PART = 0.27, MARGIN = 8;

/** Colours of categories, of different lightness; with more than ten categories they repeat. */
export const CATEGORIES = [
  "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999933", "#44aa99", "#cc6633", "#8877cc",
];

/** Conversion between coordinates of the plane and pixels of a box that shows part of it. */
function viewOf([u, v], halfWidth, { x, y, width, height }) {
  const scale = width / (2 * halfWidth);
  return {
    x, y, width, height, scale,
    to: ([a, b]) => [x + width / 2 + (a - u) * scale, y + height / 2 - (b - v) * scale],
    from: ([a, b]) => [u + (a - x - width / 2) / scale, v - (b - y - height / 2) / scale],
  };
}

/** A heat map as a canvas of ink, whose opacity grows with the density. */
export function heatMap({ size, bytes }, ink) {
  const canvas = make("canvas", { width: size, height: size });
  paintInk(canvas, bytes, ink, 340); // three quarters of the ink, so that lines stand out
  return canvas;
}

function drawEllipse(context, view, gaussian, { stroke, fill, dash, width }) {
  const { long, short, angle } = ellipse(gaussian);
  const [x, y] = view.to(gaussian.mean);
  const size = DEVIATIONS * view.scale;
  context.beginPath();
  context.ellipse(x, y, long * size, short * size, -angle, 0, 2 * Math.PI);
  if (fill) {
    context.globalAlpha *= 0.12;
    context.fillStyle = fill;
    context.fill();
    context.globalAlpha /= 0.12;
  }
  context.setLineDash(dash ?? []);
  context.strokeStyle = stroke;
  context.lineWidth = width;
  context.stroke();
  context.setLineDash([]);
}

/** Paint a heat map, whose first row has the highest second coordinate. */
function drawHeat(context, view, { image, low, high }) {
  const [left, bottom] = view.to(low);
  const [right, top] = view.to(high);
  context.imageSmoothingEnabled = true;
  context.drawImage(image, left, top, right - left, bottom - top);
}

function drawAxes(context, view, names, reach, colours) {
  const [x, y] = view.to([0, 0]);
  context.strokeStyle = colours.border;
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(view.x, y);
  context.lineTo(view.x + view.width, y);
  context.moveTo(x, view.y);
  context.lineTo(x, view.y + view.height);
  context.stroke();
  context.fillStyle = colours.quiet;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  const spacing = reach > 6 ? 4 : reach > 3 ? 2 : 1;
  for (let tick = -spacing * Math.floor(reach / spacing); tick <= reach; tick += spacing) {
    if (!tick) continue;
    context.fillText(number(tick, 0), view.to([tick, 0])[0], Math.min(y + 13, view.height - 4));
    if (Math.abs(tick) < reach - 0.5) context.fillText(number(tick, 0), x + 10, view.to([0, tick])[1] + 4);
  }
  context.textAlign = "right";
  context.fillText(`${names[0]} →`, view.x + view.width - 5, y - 6);
  context.textAlign = "left";
  context.fillText(`↑ ${names[1]}`, x + 6, view.y + 13);
}

const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Draw the examples as dots, and each category's name at the median of its dots. */
function drawPoints(context, view, { coordinates, categories, titles }, strength, colours) {
  const found = titles.map(() => [[], []]);
  context.globalAlpha = strength;
  categories.forEach((category, i) => {
    const [x, y] = view.to([coordinates[2 * i], coordinates[2 * i + 1]]);
    context.fillStyle = CATEGORIES[category % CATEGORIES.length];
    context.fillRect(x - 1.75, y - 1.75, 3.5, 3.5);
    found[category]?.[0].push(x);
    found[category]?.[1].push(y);
  });
  context.globalAlpha = 1;
  context.textAlign = "center";
  context.font = "bold 13px system-ui, sans-serif";
  context.lineWidth = 3;
  context.strokeStyle = colours.paper;
  titles.forEach((title, category) => {
    const [x, y] = found[category].map(median);
    if (x === undefined) return;
    context.strokeText(title, x, y + 4);
    context.fillStyle = colours.text;
    context.fillText(title, x, y + 4);
  });
}

/** Draw the inset's scale bar. */
function drawScale(context, view, colours) {
  const wanted = 0.4 * (view.width / view.scale);
  const power = 10 ** Math.floor(Math.log10(wanted));
  const length = [5, 2, 1].find((n) => n * power <= wanted) * power;
  const [x, y] = [view.x + 8, view.y + view.height - 8];
  context.strokeStyle = context.fillStyle = colours.text;
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + length * view.scale, y);
  context.stroke();
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.fillText(String(+length.toPrecision(1)), x, y - 4);
}

/**
 * The plane's canvas and handle.
 *
 * `show(scene)` draws a scene {factors, product, rest, exact, held, at}, in which the first factor
 * is the prior and all Gaussians are over the whole latent space. `onmove(coordinates, done)` is
 * called when the handle moves.
 */
export function plane({ axes, names, reach, points }, onmove) {
  const canvas = make("canvas", { class: "space", role: "img", "aria-label": "A plane through latent space" });
  const handle = make("div", {
    class: "handle", role: "slider", tabindex: 0, "aria-label": "latent; arrow keys move it",
    "aria-valuemin": -reach, "aria-valuemax": reach, "aria-valuenow": 0,
  });
  const element = make("div", { class: "plane" }, canvas, handle);
  let [scene, view, at, dragging, waiting] = [null, null, [0, 0], null, false];

  function coloursOf() {
    const style = getComputedStyle(element);
    const value = (name) => style.getPropertyValue(name).trim();
    return { text: style.color, border: value("--st-border-color"), quiet: value("--quiet"), paper: value("--st-background-color") };
  }

  function ellipses(context, within, lit, colours) {
    const sliced = (gaussian) => slice(gaussian, axes, scene.rest);
    const many = scene.factors.length > MANY;
    const dim = (name) => (lit === name ? 1 : lit ? 0.25 : many ? 0.7 : 1);
    scene.factors.forEach((factor, i) => {
      // Many wide ellipses would hide the others.
      if (many && i && lit !== factor.name && ellipse(sliced(factor)).long > WIDE) return;
      context.globalAlpha = dim(factor.name);
      const line = { stroke: i ? factor.colour : colours.prior, width: lit === factor.name ? 3.5 : many ? 1.2 : 2 };
      drawEllipse(context, within, sliced(factor), i ? line : { ...line, dash: [5, 4], width: 1.5 });
    });
    context.globalAlpha = 1;
    drawEllipse(context, within, sliced(scene.product), { stroke: colours.text, fill: colours.text, width: 2.4 });
  }

  /** Draw a magnified view of the posterior in the corner farthest from it. */
  function inset(context, lit, colours) {
    const product = slice(scene.product, axes, scene.rest);
    const { long } = ellipse(product);
    if (long * view.scale * DEVIATIONS > SMALL) return;
    const [x, y] = view.to(product.mean);
    const room = Math.min(INSET, PART * view.width);
    const box = {
      x: x > view.width / 2 ? MARGIN : view.width - room - MARGIN,
      y: y > view.height / 2 ? MARGIN : view.height - room - MARGIN,
      width: room, height: room,
    };
    const near = scene.exact?.inset;
    const centre = near ? near.low.map((low, i) => (low + near.high[i]) / 2) : product.mean;
    const halfWidth = near ? (near.high[0] - near.low[0]) / 2 : 2.2 * DEVIATIONS * long;
    const within = viewOf(centre, halfWidth, box);
    context.save();
    context.beginPath();
    context.rect(box.x, box.y, room, room);
    context.fillStyle = colours.paper;
    context.fill();
    context.clip();
    if (scene.exact) drawHeat(context, within, near ?? scene.exact);
    ellipses(context, within, lit, colours);
    drawScale(context, within, colours);
    context.restore();
    context.strokeStyle = colours.quiet;
    context.lineWidth = 1;
    context.strokeRect(box.x, box.y, room, room);
    const side = Math.max(2 * halfWidth * view.scale, 6);
    const [cx, cy] = view.to(centre);
    context.strokeRect(cx - side / 2, cy - side / 2, side, side);
  }

  function paint() {
    waiting = false;
    const width = element.clientWidth;
    if (!scene || !width) return;
    const height = Math.round(width / ASPECT);
    const ratio = devicePixelRatio;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    view = viewOf([0, 0], reach * ASPECT, { x: 0, y: 0, width, height });
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const colours = { ...coloursOf(), prior: scene.factors[0].colour };
    const lit = element.closest("[data-lit]")?.dataset.lit;
    if (scene.exact) drawHeat(context, view, scene.exact);
    drawAxes(context, view, names, reach, colours);
    drawPoints(context, view, points, scene.exact || lit ? 0.35 : 0.8, colours);
    ellipses(context, view, lit, colours);
    inset(context, lit, colours);
    positionHandle();
  }

  /** Move the handle to the latent. */
  function positionHandle() {
    if (!view) return;
    const [x, y] = view.to(at);
    handle.style.transform = `translate(${x}px, ${y}px)`;
    handle.setAttribute("aria-valuenow", at[0].toFixed(2));
  }

  const bounded = ([u, v]) => {
    const limit = (value, most) => Math.min(Math.max(value, -most), most);
    return [limit(u, reach * ASPECT), limit(v, reach)];
  };

  function move(coordinates, done) {
    at = bounded(coordinates);
    positionHandle();
    onmove(at, done);
  }

  function pointed({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    return view.from([clientX - box.left, clientY - box.top]);
  }

  element.onpointerdown = (event) => {
    if (event.button !== 0 || !event.isPrimary || !view) return;
    element.setPointerCapture(event.pointerId);
    dragging = event.pointerId;
    element.classList.add("dragging");
    handle.focus({ preventScroll: true });
    event.preventDefault();
    move(pointed(event), false);
  };
  element.onpointermove = (event) => {
    if (event.pointerId === dragging) move(pointed(event), false);
  };
  element.onpointerup = element.onpointercancel = (event) => {
    if (event.pointerId !== dragging) return;
    dragging = null;
    element.classList.remove("dragging");
    move(at, true);
  };
  handle.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    onmove(null, true);
    event.preventDefault();
  };
  const step = reach / 40;
  const nudging = arrowKeys(
    handle, ([right, up]) => move([at[0] + step * right, at[1] + step * up], false), () => move(at, true),
  );
  const busy = () => dragging !== null || nudging();

  const later = () => {
    if (!waiting) requestAnimationFrame(paint);
    waiting = true;
  };
  const observer = new ResizeObserver(later);
  observer.observe(element);
  return {
    element,
    later,
    busy,
    show(next) {
      scene = next;
      if (!busy()) at = scene.at;
      handle.classList.toggle("held", scene.held || busy());
      later();
    },
    /** Describe what the latent at the handle decodes to, for screen readers. */
    describe(words) {
      handle.setAttribute("aria-valuetext", `${names.map((n, i) => `${n} ${number(at[i], 2)}`).join(", ")}: ${words}`);
      canvas.setAttribute("aria-label", `A plane through latent space. ${words}`);
    },
    stop: () => observer.disconnect(),
  };
}
