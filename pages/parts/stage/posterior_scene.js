/*
 * The scene of a model's posterior: which modalities are supplied, what follows from it, what is
 * generated. All of it is computed here from the experts and the decoders, so that a switch and a
 * moving hand wait for nobody; the server hears of them afterwards.
 */
import { beside, between, information, lift, mostTelling, product, project, sharpness } from "./algebra.js";
import { decoders } from "./decoder.js";
import { generated } from "./generated.js";
import { curves, growth, legend, MANY, shares } from "./panels.js";
import { heatMap, plane } from "./plane.js";
import { player } from "./player.js";
import { asset } from "../web/assets.js";
import { floats, light, make, number, rgb, still } from "../web/dom.js";

/** Milliseconds of moving from one posterior to the next; and of trusting a switch of one's own. */
const MOVE = 350, TRUST = 500;
/** Dimensions whose curves are shown, and whose shares are. */
const CURVES = 6, BARS = 10;

/** Decoders by address: read once, whatever is drawn with them. */
const ready = new Map();

function decodersAt(address, modalities) {
  if (!ready.has(address)) {
    ready.set(address, asset(address).then((buffer) => decoders(buffer, modalities)));
    ready.get(address).catch(() => ready.delete(address));
  }
  return ready.get(address);
}

const same = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);
/** The class that Streamlit gives the switch of a modality. */
const switchClass = (name) => `st-key-supply-${name.replaceAll(" ", "-")}`;

export function posteriorScene(root) {
  const [believed, made] = [make("section", { class: "believed", "aria-label": "Posterior" }), make("section", { class: "generated", "aria-label": "Generated" })];
  const status = make("p", { class: "unseen", role: "status" });
  root.replaceChildren(believed, made, status);
  let data, send, behind, experts, noise, exact, decode, axes;
  let [supplied, held, goal, shown, map, column, moving, switched] = [[], null, null, null, null, null, 0, -TRUST];
  let [structure, offered, key, settled, drawn] = ["", "", "", "", null];
  // What the server knows to be supplied, whether that is news, and whether it knows less than we.
  let [known, news, unheard] = [[], false, false];

  const slots = {};
  for (const name of ["curves", "legend", "note", "plane", "exact", "player", "growth", "shares"]) slots[name] = make("div", { class: `of-${name}` });
  const title = (words, hover = null) => make("h4", { title: hover }, words);
  const letGo = make("button", { type: "button", class: "quiet", onclick: () => hold(null, true) }, "Back to the posterior");
  const panels = {
    curves: [title("Posterior"), slots.curves, slots.note],
    plane: [make("div", { class: "heading" }, title("A plane through latent space"), letGo), slots.plane, slots.exact],
    growth: [title("Entropy reduction, as evidence arrives", "H(p(z)) − H(q(z|x)) in nats: how much sharper than the prior, over all dimensions. It depends on widths alone."), slots.player, slots.growth],
    shares: [title("Who decides: share of precision"), slots.shares],
  };

  const evidence = player({
    supplied: () => supplied,
    there: () => data.modalities.filter((m) => m.there).map((m) => m.name),
    telling: (names) => mostTelling(experts, names, data.latents),
    show(names) {
      [supplied, held, unheard] = [names, null, true];
      refresh();
      slots.growth.querySelectorAll(".stack")[names.length].classList.add("newest");
      const told = `${number(sharpness(goal))} nats sharper than the prior.`;
      status.textContent = names.length ? `${names.length} of ${evidence.queue().length}, ${names.at(-1)}: ${told}` : "Nothing but the prior.";
    },
    done: () => !same(supplied, known) && say({}),
  });
  slots.player.replaceChildren(evidence.element);

  /** Tell the server what was done, and what is supplied if it does not know that. */
  function say(event) {
    send(unheard ? { supply: supplied, ...event } : event);
    unheard = false;
  }

  const factorsOf = (names) => [
    { name: "prior", colour: data.prior, mean: new Float64Array(data.latents), logvar: new Float64Array(data.latents) },
    ...names.map((name) => ({ name, colour: data.modalities.find((m) => m.name === name).colour, ...experts[name] })),
  ];
  const multiply = (names) => product(names.map((name) => experts[name]), data.latents);
  const ink = () => rgb(getComputedStyle(root).color);

  /** Lay out what depends on the model and the plane, not on the evidence. */
  function build() {
    column?.stop();
    map?.stop();
    column = generated(data, ink());
    made.replaceChildren(make("h4", {}, "Generated"), column.element);
    axes = data.plane && data.plane.axes.map(floats);
    const points = data.plane && { ...data.plane.points, places: floats(data.plane.points.places) };
    map = data.plane && plane({ ...data.plane, axes, points }, hold);
    slots.plane.replaceChildren(...(map ? [map.element] : []));
    const wanted = data.panels.filter((name) => name !== "plane" || map);
    const [first, ...rest] = wanted.map((name) => make("div", { class: "panel", "data-panel": name }, ...panels[name]));
    believed.replaceChildren(first, slots.legend, ...rest);
  }

  /** Draw the posterior as it is at one moment of its way from the old to the new one. */
  function frame() {
    drawn.move(shown);
    if (!map) return;
    const factors = factorsOf(supplied);
    map.show({
      factors, product: shown, rest: beside(shown.mean, axes), exact: exactNow(),
      held: held !== null, at: held ?? project(shown.mean, axes),
    });
  }

  const exactNow = () => (exact && same([...exact.evidence].sort(), [...supplied].sort()) ? exact : null);

  function animate(from) {
    cancelAnimationFrame(moving);
    const begun = performance.now();
    function step(now) {
      const part = Math.min(Math.max((now - begun) / MOVE, 0), 1);
      shown = part < 1 ? between(from, goal, part * (2 - part)) : goal;
      frame();
      if (part < 1) moving = requestAnimationFrame(step);
      believed.ariaBusy = String(part < 1);
    }
    if (from && from.mean.length === goal.mean.length && !still()) step(begun);
    else {
      shown = goal;
      frame();
      believed.ariaBusy = "false";
    }
  }

  /** Work out and draw everything that follows from the evidence. */
  function refresh() {
    const queue = evidence.queue() ?? supplied;
    const steps = Array.from({ length: queue.length + 1 }, (_, n) => multiply(queue.slice(0, n)));
    goal = steps[supplied.length];
    const factors = factorsOf(supplied);
    root.classList.toggle("many", data.modalities.length > MANY);
    root.classList.toggle("crowded", factors.length > MANY);
    slots.player.hidden = Object.keys(experts).length < 2;
    // of all that is to come, so that nothing changes its place on the way
    const nats = information(steps.at(-1));
    const order = Array.from(nats.keys()).sort((a, b) => nats[b] - nats[a] || a - b);
    const chosen = data.chosen.length ? data.chosen : order.slice(0, CURVES);
    drawn = curves(chosen, factors, goal);
    slots.curves.replaceChildren(drawn.element);
    slots.note.replaceChildren(make("p", { class: "note" },
      `${data.chosen.length ? "" : "The dimensions that the evidence told most about. "}Beside each, its KL to the prior. Narrow peaks run off the top.`));
    slots.growth.replaceChildren(growth(steps, factorsOf(queue), supplied.length), make("p", { class: "note" }, fallen()));
    slots.shares.replaceChildren(shares(order.slice(0, BARS), factors, goal));
    offer();
    if (map) slots.exact.replaceChildren(caption());
    column.supplied(supplied);
    light(root);
    animate(shown);
    generate();
    settled = situation();
  }

  /** Say how the entropy fell. */
  function fallen() {
    const before = (data.latents / 2) * Math.log(2 * Math.PI * Math.E);
    const now = before - sharpness(goal);
    return `Entropy of the posterior: ${number(before)} nats with the prior alone, ${number(now)} now.`;
  }

  /** All that what is drawn follows from, but for the exact posterior. */
  const situation = () => JSON.stringify([data.decoders, data.experts, data.chosen, data.noise, supplied, held]);

  /** Renew the switches; in place where they are the same ones, so that none loses its focus. */
  function offer() {
    const now = JSON.stringify(data.modalities.map((m) => [m.name, m.there]));
    if (now !== offered) slots.legend.replaceChildren(legend(data.modalities, supplied, toggle));
    offered = now;
    for (const button of slots.legend.querySelectorAll("button")) {
      button.setAttribute("aria-checked", String(supplied.includes(button.dataset.of)));
    }
  }

  function caption() {
    const { oblique } = data.plane;
    const ellipses = oblique
      ? "Ellipses are slices through the current latent, at two standard deviations: slices multiply as the experts do. The plane follows the two directions in which the examples’ posteriors vary most"
      : "Ellipses are drawn at two standard deviations";
    const found = exactNow();
    const gap = found && make("p", { class: "gap" },
      `Shaded: the exact posterior, ${number(found.sharpness)} nats sharper than the prior. The posterior misses it by `, make("b", {}, `${number(found.gap, 2)} nats`),
      ` (KL(q‖p)); ${found.title} = ${number(found.evidenceNats, 1)} nats.`);
    const points = oblique ? "; dots are the projections of these." : "; dots are the test examples’ posteriors.";
    const crowd = supplied.length < MANY ? "" : " Experts that are wide here are drawn when pointed at.";
    return make("div", {}, ...(gap ? [gap] : []), make("p", { class: "note" }, `Drag anywhere to hold a latent. ${ellipses}${points}${crowd}`));
  }

  function generate() {
    letGo.hidden = held === null;
    if (!decode) return;
    if (held) map.say(column.hold(decode, lift(held, axes, beside(goal.mean, axes))));
    else {
      column.believe(decode, goal, noise, data.draws);
      map?.say("the mean of the posterior");
    }
  }

  /** Hold a latent on the plane, or let go of it; the server hears of it at the end. */
  function hold(coordinates, done) {
    evidence.halt();
    // rounded as links have it
    held = done && coordinates ? coordinates.map((value) => Math.round(value * 1000) / 1000) : coordinates;
    if (!done || held === null) generate();
    if (held === null) frame();
    if (!done) return;
    settled = situation();
    say({ at: held });
  }

  /** Supply a modality as the last one, or drop it. */
  function turn(name, on) {
    if (supplied.includes(name) === on || !(name in experts)) return;
    supplied = on ? [...supplied, name] : supplied.filter((other) => other !== name);
    [held, switched] = [null, performance.now()];
    evidence.interrupt();
    refresh();
    const given = supplied.length ? supplied.join(" and ") : "nothing";
    status.textContent = `Given ${given}: ${number(sharpness(goal))} nats sharper than the prior.`;
  }

  function toggle(name) {
    turn(name, !supplied.includes(name));
    unheard = true;
    say({});
  }

  /**
   * The switches of the cards beside are not ours, but they are heard here first. By clicks, which
   * keys give too, on their way down: thrown by mouse or touch, switches tell of no change, let no
   * click rise, and turn some frames later.
   */
  function listen({ target }) {
    const end = performance.now() + TRUST;
    for (const { name } of data.modalities) {
      const card = target.closest?.(`.${CSS.escape(switchClass(name))}`);
      const box = !target.closest?.("button") && card?.querySelector("input[type=checkbox]");
      const hear = () => {
        if (box.checked !== supplied.includes(name)) turn(name, box.checked);
        else if (performance.now() < end) requestAnimationFrame(hear);
      };
      if (box) hear();
    }
  }

  /** Draw what has changed; what was done here only comes back, with the exact posterior. */
  function refreshIfNew() {
    if (situation() !== settled) refresh();
    else if (map) {
      slots.exact.replaceChildren(caption());
      frame();
    }
  }

  /** Take over what the server knows; shortly after a switch it may still know the old state. */
  function adopt() {
    if (behind || (evidence.playing() && !news)) return refreshIfNew();
    const wait = switched + TRUST - performance.now();
    const other = !same(supplied, data.evidence);
    if (other && wait > 0) return setTimeout(adopt, wait);
    if (other) evidence.interrupt();
    if (!map?.busy()) held = data.at;
    [supplied, unheard] = [data.evidence, false];
    return refreshIfNew();
  }

  return {
    update(next, tell, late) {
      [data, send, behind] = [next, tell, late];
      [known, news] = [data.evidence, !same(known, data.evidence)];
      experts = Object.fromEntries(Object.entries(data.experts).map(([name, { mean, logvar }]) =>
        [name, { mean: floats(mean), logvar: floats(logvar) }]));
      noise = floats(data.noise);
      supplied = supplied.filter((name) => name in experts);
      if (evidence.queue()?.some((name) => !(name in experts))) evidence.interrupt();
      exact = shaded();
      const laid = JSON.stringify([data.decoders, data.panels, data.pictures, data.plane && [data.plane.axes, data.plane.names]]);
      if (laid !== structure) {
        build();
        settled = "";
      }
      structure = laid;
      if (key !== data.decoders) decode = null;
      key = data.decoders;
      decodersAt(key, data.modalities).then((found) => {
        if (key !== data.decoders || decode === found) return;
        decode = found;
        generate();
      }, () => column.element.replaceChildren(make("p", {}, "The decoders could not be fetched. Reload the page.")));
      adopt();
      document.addEventListener("click", listen, true);
    },
    /** Draw anew in other colours, or with another modality lit up. */
    repaint() {
      exact = shaded();
      build();
      refresh();
    },
    relight: () => map?.later(),
    leave() {
      document.removeEventListener("click", listen, true);
    },
  };

  /** The exact posterior with its heat maps in today's ink. */
  function shaded() {
    const { exact: found } = data;
    return found && { ...found, ...picture(found), inset: found.inset && picture(found.inset) };
  }

  function picture({ low, high, size, bytes }) {
    const values = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    return { low, high, image: heatMap({ size, bytes: values }, ink()) };
  }
}
