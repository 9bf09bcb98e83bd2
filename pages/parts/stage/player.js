/*
 * Evidence one by one: a player that supplies modalities in an order, and its buttons. Whoever
 * makes it shows what is supplied; it says what, and when.
 */
import { make } from "../web/dom.js";

/** Milliseconds between two modalities. */
const PACE = 900;
const ORDERS = { own: "in your order", telling: "most telling first" };

/**
 * A player. It begins at the prior and takes what is supplied or, if that is not several, all.
 *
 * @param {object} of functions: `supplied()` and `there()`, the names of what is and of what could
 *     be; `telling(names)`, the same names, the most telling first; `show(names)`, which supplies
 *     them; `done()`, called after the last of them, and wherever the player was stopped.
 */
export function player({ supplied, there, telling, show, done }) {
  let [own, queue, at, order, timer] = [null, [], -1, "own", 0];
  const playing = () => timer !== 0;

  const play = make("button", { type: "button", class: "play", onclick: () => (playing() ? pause() : next()) });
  const step = make("button", { type: "button", onclick: () => (halt(), advance(), done()) }, "Step");
  const choices = Object.entries(ORDERS).map(([value, words]) => make("label", {},
    make("input", { type: "radio", name: "order", value, checked: value === order, onchange: () => choose(value) }), make("span", {}, words)));
  const element = make("div", { class: "player", role: "group", "aria-label": "Evidence one by one" },
    play, step, make("span", { class: "orders", role: "radiogroup", "aria-label": "Order" }, ...choices));
  halt();

  function advance() {
    if (at < 0 || at === queue.length) {
      own ??= supplied().length > 1 ? supplied() : there();
      queue = order === "telling" ? telling(own) : own;
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

  /** Stop without a word. */
  function halt() {
    clearTimeout(timer);
    timer = 0;
    play.replaceChildren("▶ Play");
  }

  function pause() {
    halt();
    done();
  }

  /** Begin anew in another order, at once if it plays. */
  function choose(value) {
    [order, at] = [value, -1];
    if (!playing()) return;
    halt();
    next();
  }

  return {
    element, playing, halt,
    /** All that it supplies in the end, once it has begun. */
    queue: () => (at < 0 ? null : queue),
    /** Somebody else changed what is supplied, which is their order from now on. */
    interrupt() {
      halt();
      [own, at] = [null, -1];
    },
  };
}
