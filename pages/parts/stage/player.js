/*
 * A player that supplies modalities one by one, and its buttons. It decides which modality is
 * supplied and when; its creator shows the result.
 */
import { make } from "../web/dom.js";

/** Milliseconds between two modalities. */
const PACE = 900;
const ORDERS = { own: "in your order", informative: "most informative first" };

/**
 * A player that begins at the prior. It plays the supplied modalities if there are several, and
 * otherwise all that are available.
 *
 * @param {object} functions: `supplied()` and `available()`, names of modalities;
 *     `informative(names)`, the same names, the most informative first; `show(names)`, which
 *     supplies them; `done()`, called after the last one and whenever the player is paused.
 */
export function player({ supplied, available, informative, show, done }) {
  let [own, queue, at, order, timer] = [null, [], -1, "own", 0];
  const playing = () => timer !== 0;

  const play = make("button", { type: "button", class: "play", onclick: () => (playing() ? pause() : next()) });
  const step = make("button", { type: "button", onclick: () => (halt(), advance(), done()) }, "Step");
  const choices = Object.entries(ORDERS).map(([value, words]) => make("label", {},
    make("input", { type: "radio", name: "order", value, checked: value === order, onchange: () => choose(value) }), make("span", {}, words)));
  const element = make("div", { class: "player", role: "group", "aria-label": "Supply evidence one by one" },
    play, step, make("span", { class: "orders", role: "radiogroup", "aria-label": "Order" }, ...choices));
  halt();

  function advance() {
    if (at < 0 || at === queue.length) {
      own ??= supplied().length > 1 ? supplied() : available();
      queue = order === "informative" ? informative(own) : own;
      at = 0;
    } else at++;
    show(queue.slice(0, at));
  }

  function next() {
    if (!element.isConnected) return;
    advance();
    if (at === queue.length) return pause();
    timer = setTimeout(next, PACE);
    play.replaceChildren("❚❚ Pause");
  }

  /** Stop without calling `done`. */
  function halt() {
    clearTimeout(timer);
    timer = 0;
    play.replaceChildren("▶ Play");
  }

  function pause() {
    halt();
    done();
  }

  /** Restart in another order, at once if it is playing. */
  function choose(value) {
    [order, at] = [value, -1];
    if (!playing()) return;
    halt();
    next();
  }

  return {
    element, playing, halt,
    /** All modalities to be supplied; null before it has begun. */
    queue: () => (at < 0 ? null : queue),
    /** Stop because the evidence was changed elsewhere, whose order is used from now on. */
    interrupt() {
      halt();
      [own, at] = [null, -1];
    },
  };
}
