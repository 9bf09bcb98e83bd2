/*
 * The drawing pad: draws strokes, shows the picture that the model will receive, and sends the
 * drawing to the server when the pen is lifted.
 */
import { isEmpty, pack, penOf, picture, unpack } from "./ink.js";

const STEP = 0.05;
const SMALL_STEP = 0.01;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/* This module's function runs again at every update of the page; a drawing outlives that here. */
const pads = new WeakMap();

/** A pad's initial state; a drawing from a link or an earlier visit is shown as pixels. */
function begin({ value, height, width }) {
  const bits = unpack(value, height * width);
  return {
    drawing: { pixels: bits && { bits, height, width }, strokes: [] },
    pen: null, // the stroke being drawn, which is also the last of the strokes
    pointer: null, // id of the pointer that draws; null for the keyboard
    cursor: [0.5, (0.5 * height) / width],
    thick: penOf(width),
    keyboard: false, // whether the cursor is shown
    waiting: false, // whether a frame is requested
  };
}

/** Paint ink on a canvas, with `unit` physical pixels to a unit. */
function paint(context, { drawing, keyboard, cursor, pen, thick }, unit, colours) {
  const { pixels, strokes } = drawing;
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  context.fillStyle = context.strokeStyle = colours.ink;
  pixels?.bits.forEach((bit, i) => {
    if (!bit) return;
    // rounded to pixels, since otherwise hairlines show between neighbours
    const edge = (n) => Math.round((n * unit) / pixels.width);
    const [x, y] = [i % pixels.width, Math.floor(i / pixels.width)];
    context.fillRect(edge(x), edge(y), edge(x + 1) - edge(x), edge(y + 1) - edge(y));
  });
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = thick * unit;
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(stroke[0][0] * unit, stroke[0][1] * unit);
    // a line back to its start paints a dot
    for (const [x, y] of stroke) context.lineTo(x * unit, y * unit);
    context.stroke();
  }
  if (!keyboard) return;
  context.beginPath();
  context.arc(cursor[0] * unit, cursor[1] * unit, (thick / 2) * unit, 0, 2 * Math.PI);
  context.strokeStyle = colours.cursor;
  context.lineWidth = unit / 100;
  context.stroke();
  if (!pen) return;
  context.fillStyle = colours.cursor;
  context.fill();
}

/** Show the picture that the model will receive, with one canvas pixel for each of its pixels. */
function preview(canvas, bits, height, width, colours) {
  const context = canvas.getContext("2d");
  canvas.width = width;
  canvas.height = height;
  context.fillStyle = colours.paper;
  context.fillRect(0, 0, width, height);
  context.fillStyle = colours.ink;
  bits?.forEach((bit, i) => bit && context.fillRect(i % width, Math.floor(i / width), 1, 1));
  const ink = bits ? bits.reduce((sum, bit) => sum + bit, 0) : 0;
  const words = ink ? `${ink} of ${height * width} pixels are ink` : "nothing yet";
  canvas.setAttribute("aria-label", `What the model sees: ${words}`);
}

export default function (component) {
  const { parentElement, data, setStateValue } = component;
  const { height, width, framing } = data;
  if (!pads.has(parentElement)) pads.set(parentElement, begin(data));
  const state = pads.get(parentElement);
  const find = (name) => parentElement.querySelector(name);
  const [canvas, seen, undo, clear] = [".drawing", ".seen", ".undo", ".clear"].map(find);
  const tall = height / width;
  canvas.style.aspectRatio = `${width} / ${height}`;

  function draw() {
    state.waiting = false;
    const style = getComputedStyle(canvas);
    const cursor = style.getPropertyValue("--st-primary-color").trim();
    const colours = { ink: style.color, paper: style.backgroundColor, cursor };
    const unit = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.width = unit;
    canvas.height = Math.round(unit * tall);
    paint(canvas.getContext("2d"), state, unit, colours);
    const empty = isEmpty(state.drawing);
    const bits = empty ? null : picture(state.drawing, height, width, framing);
    preview(seen, bits, height, width, colours);
    find(".invitation").hidden = !empty || state.keyboard;
    for (const button of [undo, clear]) button.setAttribute("aria-disabled", String(empty));
  }

  function later() {
    if (!state.waiting) requestAnimationFrame(draw);
    state.waiting = true;
  }

  function say(words) {
    find(".said").textContent = words;
  }

  function send() {
    const empty = isEmpty(state.drawing);
    setStateValue("drawing", empty ? null : pack(picture(state.drawing, height, width, framing)));
  }

  /** Begin a stroke at a point. */
  function down(point, pointer = null) {
    [state.pen, state.pointer] = [[point], pointer];
    state.drawing.strokes.push(state.pen);
    later();
  }

  function lift() {
    if (!state.pen) return;
    [state.pen, state.pointer] = [null, null];
    draw();
    send();
  }

  /** The position of an event on the pad, in units of its width, clamped to its edges. */
  function place({ clientX, clientY }) {
    const { left, top } = canvas.getBoundingClientRect();
    const x = (clientX - left - canvas.clientLeft) / canvas.clientWidth;
    const y = (clientY - top - canvas.clientTop) / canvas.clientWidth;
    return [Math.min(Math.max(x, 0), 1), Math.min(Math.max(y, 0), tall)];
  }

  /* Handlers are assigned, not added: the next run replaces them. */
  canvas.onpointerdown = (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    lift();
    canvas.setPointerCapture(event.pointerId);
    state.keyboard = false;
    down(place(event), event.pointerId);
  };
  canvas.onpointermove = (event) => {
    if (!state.pen || event.pointerId !== state.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    state.pen.push(...(events.length ? events : [event]).map(place));
    later();
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    if (event.pointerId === state.pointer) lift();
  };

  canvas.onkeydown = (event) => {
    const arrow = ARROWS[event.key];
    const withCommand = event.ctrlKey || event.metaKey;
    if (withCommand && event.key === "z") undo.click();
    else if (withCommand || event.altKey) return;
    else if (arrow) {
      const step = event.shiftKey ? SMALL_STEP : STEP;
      const [x, y] = [state.cursor[0] + step * arrow[0], state.cursor[1] + step * arrow[1]];
      state.cursor = [Math.min(Math.max(x, 0), 1), Math.min(Math.max(y, 0), tall)];
      if (state.pen && state.pointer === null) state.pen.push(state.cursor);
    } else if (event.key === " ") {
      if (event.repeat) return event.preventDefault();
      if (state.pen) lift();
      else down(state.cursor);
      say(state.pen ? "Pen down." : "Pen up.");
    } else return;
    event.preventDefault();
    state.keyboard = true;
    later();
  };
  canvas.onfocus = () => {
    state.keyboard = canvas.matches(":focus-visible");
    later();
  };
  canvas.onblur = () => {
    if (state.pointer === null) lift();
    state.keyboard = false;
    later();
  };

  undo.onclick = () => {
    if (isEmpty(state.drawing)) return;
    lift();
    if (!state.drawing.strokes.pop()) state.drawing.pixels = null;
    draw();
    send();
    say(isEmpty(state.drawing) ? "The pad is empty." : "The last stroke is undone.");
  };
  clear.onclick = () => {
    if (isEmpty(state.drawing)) return;
    [state.pen, state.pointer] = [null, null];
    state.drawing = { pixels: null, strokes: [] };
    draw();
    send();
    say("The pad is empty.");
  };

  const observer = new ResizeObserver(later);
  observer.observe(canvas);
  draw();
  return () => observer.disconnect();
}
