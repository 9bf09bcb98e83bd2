/*
 * The scene of a model's posterior: the evidence, the posterior and the generated modalities. All of
 * it is computed here from the experts and the decoders, so that switching and dragging do not wait
 * for the server, which is notified afterwards.
 */
import { beside, between, information, lift, mostInformative, product, project, sharpness } from "./algebra.js";
import { decoders } from "./decoder.js";
import { generated } from "./generated.js";
import { curves, growth, legend, MANY, shares } from "./posterior_panels.js";
import { heatMap, plane } from "./plane.js";
import { player } from "./player.js";
import { asset } from "../web/assets.js";
import { floats, light, make, number, rgb, still } from "../web/dom.js";

/** Milliseconds of the animation between posteriors; and during which a local switch takes precedence. */
const MOVE = 350, TRUST = 500;
/** Number of dimensions whose densities are shown, and whose shares are. */
const CURVES = 6, BARS = 10;

/** Decoders by address, each read only once. */
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
  const [posterior, made] = [make("section", { class: "posterior", "aria-label": "Posterior" }), make("section", { class: "generated", "aria-label": "Generated" })];
  const status = make("p", { class: "unseen", role: "status" });
  root.replaceChildren(posterior, made, status);
  let data, send, outdated, experts, noise, exact, decode, axes;
  let [supplied, held, goal, shown, map, column, moving, switched] = [[], null, null, null, null, null, 0, -TRUST];
  let [structure, switchesShown, key, settled, drawn] = ["", "", "", "", null];
  // The evidence the server knows of, whether that has just changed, and whether a local change has not been sent yet.
  let [serverEvidence, serverChanged, unsent] = [[], false, false];

  const slots = {};
  for (const name of ["curves", "legend", "note", "plane", "exact", "player", "growth", "shares"]) slots[name] = make("div", { class: `of-${name}` });
  const title = (words, hover = null) => make("h4", { title: hover }, words);
  const letGo = make("button", { type: "button", class: "quiet", onclick: () => hold(null, true) }, "Back to the posterior");
  const panels = {
    curves: [title("Posterior"), slots.curves, slots.note],
    plane: [make("div", { class: "heading" }, title("A plane through latent space"), letGo), slots.plane, slots.exact],
    growth: [title("Entropy reduction as evidence is added", "H(p(z)) − H(q(z|x)) in nats, over all dimensions: how much sharper the posterior is than the prior. It depends on the widths alone."), slots.player, slots.growth],
    shares: [title("Each factor’s share of the precision"), slots.shares],
  };

  const evidence = player({
    supplied: () => supplied,
    available: () => data.modalities.filter((m) => m.available).map((m) => m.name),
    informative: (names) => mostInformative(experts, names, data.latents),
    show(names) {
      [supplied, held, unsent] = [names, null, true];
      refresh();
      slots.growth.querySelectorAll(".stack")[names.length].classList.add("newest");
      const gain = `${number(sharpness(goal))} nats sharper than the prior.`;
      status.textContent = names.length ? `${names.length} of ${evidence.queue().length}, ${names.at(-1)}: ${gain}` : "Only the prior.";
    },
    done: () => !same(supplied, serverEvidence) && notify({}),
  });
  slots.player.replaceChildren(evidence.element);

  /** Send an event to the server, together with the evidence if the server does not know it. */
  function notify(event) {
    send(unsent ? { supply: supplied, ...event } : event);
    unsent = false;
  }

  const factorsOf = (names) => [
    { name: "prior", colour: data.prior, mean: new Float64Array(data.latents), logvar: new Float64Array(data.latents) },
    ...names.map((name) => ({ name, colour: data.modalities.find((m) => m.name === name).colour, ...experts[name] })),
  ];
  const multiply = (names) => product(names.map((name) => experts[name]), data.latents);
  const ink = () => rgb(getComputedStyle(root).color);

  /** Build everything that depends on the model and the plane but not on the evidence. */
  function build() {
    column?.stop();
    map?.stop();
    column = generated(data, ink());
    made.replaceChildren(make("h4", {}, "Generated"), column.element);
    axes = data.plane && data.plane.axes.map(floats);
    const points = data.plane && { ...data.plane.points, coordinates: floats(data.plane.points.coordinates) };
    map = data.plane && plane({ ...data.plane, axes, points }, hold);
    slots.plane.replaceChildren(...(map ? [map.element] : []));
    const wanted = data.panels.filter((name) => name !== "plane" || map);
    const [first, ...rest] = wanted.map((name) => make("div", { class: "panel", "data-panel": name }, ...panels[name]));
    posterior.replaceChildren(first, slots.legend, ...rest);
  }

  /** Draw one frame of the animation from the old posterior to the new one. */
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
      posterior.ariaBusy = String(part < 1);
    }
    if (from && from.mean.length === goal.mean.length && !still()) step(begun);
    else {
      shown = goal;
      frame();
      posterior.ariaBusy = "false";
    }
  }

  /** Compute and draw everything that follows from the evidence. */
  function refresh() {
    const queue = evidence.queue() ?? supplied;
    const steps = Array.from({ length: queue.length + 1 }, (_, n) => multiply(queue.slice(0, n)));
    goal = steps[supplied.length];
    const factors = factorsOf(supplied);
    root.classList.toggle("many", data.modalities.length > MANY);
    root.classList.toggle("crowded", factors.length > MANY);
    slots.player.hidden = Object.keys(experts).length < 2;
    // with all of the evidence to come, so that the order does not change while it is added
    const nats = information(steps.at(-1));
    const order = Array.from(nats.keys()).sort((a, b) => nats[b] - nats[a] || a - b);
    const chosen = data.chosen.length ? data.chosen : order.slice(0, CURVES);
    drawn = curves(chosen, factors, goal);
    slots.curves.replaceChildren(drawn.element);
    slots.note.replaceChildren(make("p", { class: "note" },
      `${data.chosen.length ? "" : "The dimensions with the largest KL to the prior. "}The figure beside each is its KL to the prior. Narrow peaks are cut off at the top.`));
    slots.growth.replaceChildren(growth(steps, factorsOf(queue), supplied.length), make("p", { class: "note" }, entropyNote()));
    slots.shares.replaceChildren(shares(order.slice(0, BARS), factors, goal));
    updateSwitches();
    if (map) slots.exact.replaceChildren(caption());
    column.supplied(supplied);
    light(root);
    animate(shown);
    generate();
    settled = stateKey();
  }

  /** A sentence on the posterior's entropy, before and after the evidence. */
  function entropyNote() {
    const before = (data.latents / 2) * Math.log(2 * Math.PI * Math.E);
    const now = before - sharpness(goal);
    return `Entropy: ${number(before)} nats for the prior alone, ${number(now)} nats for the posterior.`;
  }

  /** A key of everything that determines the drawing, except for the exact posterior. */
  const stateKey = () => JSON.stringify([data.decoders, data.experts, data.chosen, data.noise, supplied, held]);

  /** Update the switches, in place if they are the same ones, so that none loses focus. */
  function updateSwitches() {
    const now = JSON.stringify(data.modalities.map((m) => [m.name, m.available]));
    if (now !== switchesShown) slots.legend.replaceChildren(legend(data.modalities, supplied, toggle));
    switchesShown = now;
    for (const button of slots.legend.querySelectorAll("button")) {
      button.setAttribute("aria-checked", String(supplied.includes(button.dataset.of)));
    }
  }

  function caption() {
    const { oblique } = data.plane;
    const ellipses = oblique
      ? "The plane spans the two directions in which the examples’ posterior means vary most. Ellipses are slices of the Gaussians through the current latent, at two standard deviations; dots are the means projected onto the plane."
      : "Ellipses are drawn at two standard deviations; dots are the examples’ posterior means.";
    const found = exactNow();
    const gap = found && make("p", { class: "gap" },
      `Shaded: the exact posterior, ${number(found.sharpness)} nats sharper than the prior. The model’s posterior q differs from it by `, make("b", {}, `${number(found.gap, 2)} nats`),
      ` (KL(q‖p)); ${found.title} = ${number(found.evidenceNats, 1)} nats.`);
    const crowd = supplied.length < MANY ? "" : " Experts that are wide in this plane are drawn only when pointed at.";
    return make("div", {}, ...(gap ? [gap] : []), make("p", { class: "note" }, `Drag anywhere on the plane to hold a latent. ${ellipses}${crowd}`));
  }

  function generate() {
    letGo.hidden = held === null;
    if (!decode) return;
    if (held) map?.describe(column.hold(decode, lift(held, axes, beside(goal.mean, axes))));
    else {
      column.showPosterior(decode, goal, noise, data.draws);
      map?.describe("the mean of the posterior");
    }
  }

  /** Hold a latent on the plane, or release it; the server is notified when the drag ends. */
  function hold(coordinates, done) {
    evidence.halt();
    // rounded as in links
    held = done && coordinates ? coordinates.map((value) => Math.round(value * 1000) / 1000) : coordinates;
    if (!done || held === null) generate();
    if (held === null) frame();
    if (!done) return;
    settled = stateKey();
    notify({ at: held });
  }

  /** Supply a modality after the others, or drop it. */
  function setSupplied(name, on) {
    if (supplied.includes(name) === on || !(name in experts)) return;
    supplied = on ? [...supplied, name] : supplied.filter((other) => other !== name);
    [held, switched] = [null, performance.now()];
    evidence.interrupt();
    refresh();
    const given = supplied.length ? supplied.join(" and ") : "nothing";
    status.textContent = `Given ${given}: ${number(sharpness(goal))} nats sharper than the prior.`;
  }

  function toggle(name) {
    setSupplied(name, !supplied.includes(name));
    unsent = true;
    notify({});
  }

  /**
   * Follow the switches on the evidence cards, which belong to Streamlit, before the server does.
   * Clicks are captured on the way down (keys cause them too): when used by mouse or touch, these
   * switches fire no change event, stop the click from bubbling, and turn some frames later.
   */
  function listen({ target }) {
    const end = performance.now() + TRUST;
    for (const { name } of data.modalities) {
      const card = target.closest?.(`.${CSS.escape(switchClass(name))}`);
      const box = !target.closest?.("button") && card?.querySelector("input[type=checkbox]");
      const follow = () => {
        if (box.checked !== supplied.includes(name)) setSupplied(name, box.checked);
        else if (performance.now() < end) requestAnimationFrame(follow);
      };
      if (box) follow();
    }
  }

  /** Redraw if anything is new; the answer to a local event only adds the exact posterior. */
  function refreshIfNew() {
    if (stateKey() !== settled) refresh();
    else if (map) {
      slots.exact.replaceChildren(caption());
      frame();
    }
  }

  /** Adopt the server's evidence; shortly after a local switch it may still be the old one. */
  function adopt() {
    if (outdated || (evidence.playing() && !serverChanged)) return refreshIfNew();
    const wait = switched + TRUST - performance.now();
    const other = !same(supplied, data.evidence);
    if (other && wait > 0) return setTimeout(adopt, wait);
    if (other) evidence.interrupt();
    if (!map?.busy()) held = data.at;
    [supplied, unsent] = [data.evidence, false];
    return refreshIfNew();
  }

  return {
    update(next, tell, late) {
      [data, send, outdated] = [next, tell, late];
      [serverEvidence, serverChanged] = [data.evidence, !same(serverEvidence, data.evidence)];
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
      }, () => column.element.replaceChildren(make("p", {}, "The decoders could not be loaded. Reload the page.")));
      adopt();
      document.addEventListener("click", listen, true);
    },
    /** Redraw with the colours of another theme. */
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

  /** The exact posterior, with its heat maps in the current theme's ink. */
  function shaded() {
    const { exact: found } = data;
    return found && { ...found, ...picture(found), inset: found.inset && picture(found.inset) };
  }

  function picture({ low, high, size, bytes }) {
    const values = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
    return { low, high, image: heatMap({ size, bytes: values }, ink()) };
  }
}
