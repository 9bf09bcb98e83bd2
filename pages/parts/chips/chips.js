/*
 * Chips: a click changes a chip to its next state at once. Every message to the server repeats all
 * changes that it has not answered yet, so that quick clicks are not lost.
 */
import { make } from "../web/dom.js";

const MARKS = { yes: "✓", no: "✗", off: "" };
const WORDS = { yes: "yes", no: "no", off: "not supplied" };
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/* This module's function runs again at every update of the page; chips outlive that here. */
const groups = new WeakMap();

function chip({ name, colour }) {
  const dot = colour ? [make("span", { class: "dot", style: `border-color:${colour}` })] : [];
  const mark = make("span", { class: "mark", "aria-hidden": "true" });
  return make("button", { type: "button", "data-name": name }, ...dot, mark, name);
}

export default function ({ data, parentElement, setStateValue }) {
  const bar = parentElement.querySelector(".chips");
  if (!groups.has(parentElement)) groups.set(parentElement, { sent: 0, told: new Map(), names: "" });
  const group = groups.get(parentElement);
  if (data.heard >= group.sent) group.told.clear();
  const names = JSON.stringify(data.chips.map(({ name, colour }) => [name, colour]));
  if (names !== group.names) {
    bar.replaceChildren(...data.chips.map(chip));
    group.told.clear();
    [...bar.children].forEach((button, i) => (button.tabIndex = i ? -1 : 0));
  }
  group.names = names;
  bar.setAttribute("aria-label", data.title);

  const stateOf = ({ name, state }) => group.told.get(name) ?? state;

  function show() {
    bar.classList.toggle("dropped", data.dropped && !group.told.size);
    data.chips.forEach((each, i) => {
      const [button, state] = [bar.children[i], stateOf(each)];
      button.dataset.state = state;
      button.setAttribute("aria-label", `${each.name}: ${WORDS[state]}`);
      button.querySelector(".mark").textContent = MARKS[state];
      const dot = button.querySelector(".dot");
      if (dot) dot.style.background = state === "off" ? "none" : each.colour;
    });
  }

  function tell(each) {
    const state = each.states[(each.states.indexOf(stateOf(each)) + 1) % each.states.length];
    group.told.set(each.name, state);
    group.sent = Math.max(Date.now(), group.sent + 1);
    show();
    parentElement.querySelector(".unseen").textContent = `${each.name}: ${WORDS[state]}`;
    setStateValue("told", { states: Object.fromEntries(group.told), n: group.sent });
  }

  function go(to) {
    const buttons = [...bar.children];
    const next = buttons[(to + buttons.length) % buttons.length];
    buttons.forEach((button) => (button.tabIndex = button === next ? 0 : -1));
    next.focus();
  }

  /* Handlers are assigned, not added: the next run replaces them. */
  bar.onclick = ({ target }) => {
    const place = [...bar.children].indexOf(target.closest("button"));
    if (place < 0) return;
    go(place);
    tell(data.chips[place]);
  };
  bar.onkeydown = (event) => {
    const place = [...bar.children].indexOf(event.target);
    if (event.key in STEPS) go(place + STEPS[event.key]);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(-1);
    else return;
    event.preventDefault();
  };
  show();
}
