/*
 * Curves and numbers at one noise level, from a table that the server computed for all levels. They
 * follow the slider at once; the server is notified when the slider is released.
 */
import { draw, make } from "../web/dom.js";

const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"];

/* This module's function runs again at every update of the page; the level outlives that here. */
const states = new WeakMap();

/** The path of a curve of heights, one unit apart, in a box of height `top`. */
function path(heights, top) {
  return `M${heights.map((height, i) => `${i} ${(top - height).toFixed(0)}`).join("L")}`;
}

const kinds = (row) => ["dash", "fill", "mute"].filter((kind) => row[kind]).join(" ");
const colour = (row) => `color:${row.colour ?? "inherit"}`;

/** A chart with its table: returns its element and a function that shows a noise level. */
function panel({ title, columns, rows, notes }, data) {
  const svg = draw("svg");
  const wide = data.panels[0].rows[0].curve[0].length - 1;
  svg.setAttribute("viewBox", `0 0 ${wide} ${data.top}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const body = make("tbody");
  const note = make("p", { class: "note" });
  const truth = data.panels[0].rows.at(-1).curve; // drawn in every panel
  const drawn = rows.map((row) => {
    const dashed = row.side === "right" ? { ...row, dash: true } : row;
    const curve = draw("path");
    curve.setAttribute("class", kinds(dashed));
    curve.style.cssText = colour(row);
    svg.append(curve);
    const swatch = make("span", { class: `swatch ${kinds(dashed)}`, style: colour(row) });
    const name = make("span");
    const button = make("button", { type: "button" }, swatch, name);
    const cells = row.values.map(() => make("td"));
    if (!cells.length) cells.push(make("td", { colspan: columns.length }));
    const line = make("tr", {}, make("th", { scope: "row" }, button), ...cells);
    const look = (on) => {
      svg.classList.toggle("looking", on);
      curve.classList.toggle("on", on);
    };
    line.onpointerenter = button.onfocus = () => look(true);
    line.onpointerleave = button.onblur = () => look(false);
    body.append(line);
    return { row, curve, name, cells, line };
  });

  function show(level) {
    const descriptions = [];
    for (const { row, curve, name, cells, line } of drawn) {
      const there = row.side !== "right" || data.tied[level];
      line.hidden = !there;
      curve.setAttribute("d", there ? path((row.curve ?? truth)[level], data.top) : "");
      name.textContent = row.name + (row.side && data.tied[level] ? `, ${row.side} optimum` : "");
      row.values.forEach((column, i) => (cells[i].textContent = column[level]));
      if (there && row.values.length) {
        descriptions.push(`${name.textContent}: ${row.values.map((v, i) => `${columns[i]} ${v[level]}`).join(", ")}`);
      }
    }
    svg.setAttribute("aria-label", `${title}, densities over z from −3 to 3. ${descriptions.join("; ")}`);
    note.textContent = notes[level];
  }

  const ticks = [-3, -2, -1, 0, 1, 2, 3].map((z) => make("span", {}, z === 3 ? "z = 3" : String(z).replace("-", "−")));
  const figure = make("figure", {}, svg, make("div", { class: "ticks", "aria-hidden": "true" }, ...ticks));
  const heads = ["curve", ...columns].map((text, i) => make("th", { scope: "col", ...(i ? {} : { style: "text-align:left;padding-left:0" }) }, text));
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), body);
  const right = make("div", {}, table, note);
  return { element: make("section", {}, make("h4", {}, title), make("div", { class: "pair" }, figure, right)), show };
}

export default function ({ data, parentElement, setStateValue }) {
  const range = parentElement.querySelector("input");
  if (!states.has(parentElement)) {
    states.set(parentElement, { level: data.noise, given: data.noise, sent: [], key: null, panels: [], held: false });
  }
  const state = states.get(parentElement);

  function show() {
    range.value = state.level;
    range.setAttribute("aria-valuetext", data.words[state.level]);
    parentElement.querySelector("output").textContent = data.levels[state.level];
    for (const panel of state.panels) panel.show(state.level);
  }

  function send() {
    if (state.level === (state.sent.at(-1) ?? state.given)) return;
    state.sent.push(state.level);
    setStateValue("noise", state.level);
  }

  // The visitor followed a link or went back, unless this is the echo of a level sent from here.
  if (data.noise !== state.given && !state.sent.includes(data.noise)) state.level = data.noise;
  if (data.noise === state.sent.at(-1)) state.sent = [];
  state.given = data.noise;
  range.max = data.levels.length - 1;
  if (state.key !== data.key) {
    state.key = data.key;
    state.panels = data.panels.map((each) => panel(each, data));
    parentElement.querySelector(".panels").replaceChildren(...state.panels.map((each) => each.element));
  }
  show();

  /* Handlers are assigned, not added: the next run replaces them. */
  range.oninput = () => {
    state.level = range.valueAsNumber;
    show();
  };
  // A key that is held down changes the level many times; only the last one is sent.
  range.onkeydown = (event) => (state.held ||= KEYS.includes(event.key));
  range.onchange = () => state.held || send();
  range.onkeyup = range.onblur = () => {
    state.held = false;
    send();
  };
}
