/* What the model generates: pictures and labels, decoded here from the latents. */
import { make, number } from "../web/dom.js";
import { paintInk } from "../web/picture.js";
import { bar } from "./panels.js";

/** Milliseconds of decoding a frame, so that the page stays at hand while means are refined. */
const SLICE = 6;

function title(name, colour, of) {
  const words = make("span");
  const b = make("b", { style: `border-color:${colour ?? "transparent"}` }, name);
  const element = make("p", { class: "title", tabindex: 0, "data-of": of ?? null }, b, words);
  return { element, say: (text) => (words.textContent = text) };
}

/** The picture of the image modalities, whole or put together from tiles. */
function picture({ name, height, width, boxes, colour }, samples, ink) {
  const canvas = (label) => make("canvas", { width, height, role: "img", "aria-label": label });
  const [mean, small] = [canvas(`mean generated ${name}`), []];
  const framed = make("div", { class: "mean" }, mean);
  const heading = title(name, colour, colour ? name : null);
  const row = make("div", { class: "samples" });
  for (let i = 0; i < samples; i++) {
    small.push(canvas(`generated ${name}, sample ${i + 1}`));
    row.append(small[i]);
  }
  const whole = new Float32Array(height * width);
  function put(target, means) {
    for (const [index, [left, top, w, h]] of boxes) {
      for (let y = 0; y < h; y++) {
        whole.set(means[index].subarray(y * w, (y + 1) * w), (top + y) * width + left);
      }
    }
    paintInk(target, whole, ink, 1);
  }
  /** Frame the tiles that are supplied. */
  function frame(supplied) {
    framed.querySelectorAll(".frame").forEach((old) => old.remove());
    const percent = (value, of) => `${(100 * value) / of}%`;
    for (const { name: of, colour: border, box: [x, y, w, h] } of supplied) {
      const style = `left:${percent(x, width)};top:${percent(y, height)};` +
        `width:${percent(w, width)};height:${percent(h, height)};border-color:${border}`;
      framed.append(make("span", { class: "frame", style, "data-of": of }));
    }
  }
  return {
    parts: [heading.element, framed, row],
    say: heading.say, frame,
    mean: (means) => put(mean, means),
    sample: (i, means) => put(small[i], means),
  };
}

/** A label's distribution as bars. */
function label({ name, colour, categories }) {
  const heading = title(name, colour, name);
  const grid = make("div", { class: "bars" });
  const rows = categories.map((category) => {
    const [words, stack, amount] = bar(category, [{ width: 0, colour, of: name }], { text: "" });
    grid.append(words, stack, amount);
    return { category, stack, amount };
  });
  function show(probabilities) {
    const percent = (p) => `${number(100 * p)} %`;
    rows.forEach(({ category, stack, amount }, c) => {
      stack.firstChild.style.width = `${(100 * probabilities[c]).toFixed(3)}%`;
      amount.textContent = percent(probabilities[c]);
      stack.setAttribute("aria-label", `${category}: ${amount.textContent}`);
    });
    const likeliest = probabilities.indexOf(Math.max(...probabilities));
    heading.say(`${categories[likeliest]}, ${percent(probabilities[likeliest])}`);
  }
  return { parts: [heading.element, grid], show };
}

/**
 * The column of what is generated.
 *
 * `believe(q, noise, draws)` shows the mean over draws and a few samples; labels are averaged over
 * all draws at once, pictures over a few and then, frame by frame, over all. `hold(z)` shows what
 * one latent decodes to, at once.
 */
export function generated({ modalities, picture: described, samples }, ink) {
  const image = described && picture(described, samples, ink);
  const labels = new Map();
  modalities.forEach((m, index) => m.kind === "label" && labels.set(index, label(m)));
  const element = make("div", { class: "made" }, ...(image?.parts ?? []));
  for (const { parts } of labels.values()) element.append(...parts);
  let frameAsked = 0;

  function stop() {
    cancelAnimationFrame(frameAsked);
  }

  function believe(decode, { mean, logvar }, noise, draws) {
    stop();
    element.classList.remove("held");
    const latents = mean.length;
    const std = Float64Array.from(logvar, (value) => Math.exp(0.5 * value));
    const drawn = (n) => Float64Array.from(mean, (m, d) => m + std[d] * noise[n * latents + d]);
    const sums = modalities.map((m) => new Float32Array(m.elements));
    const add = (index, z) => {
      const mean = decode[index](z);
      for (let i = 0; i < mean.length; i++) sums[index][i] += mean[i];
      return mean;
    };
    for (const [index, { show }] of labels) {
      for (let n = 0; n < draws; n++) add(index, drawn(n));
      show(sums[index].map((x) => x / draws));
    }
    element.dataset.draws = labels.size && !image ? draws : 0;
    if (!image) return;
    image.say("mean, then samples");
    const indices = described.boxes.map(([index]) => index);
    let n = 0;
    function refine() {
      const end = performance.now() + SLICE;
      for (; n < draws && (n < samples || performance.now() < end); n++) {
        const means = [];
        for (const index of indices) means[index] = add(index, drawn(n));
        if (n < samples) image.sample(n, means);
      }
      image.mean(sums.map((sum) => sum.map((x) => x / n)));
      element.dataset.draws = n;
      if (n < draws) frameAsked = requestAnimationFrame(refine);
    }
    refine();
  }

  function hold(decode, z) {
    stop();
    element.classList.add("held");
    const means = decode.map((decoder) => decoder(z));
    for (const [index, { show }] of labels) show(means[index]);
    image?.say("at the point held");
    image?.mean(means);
    return means;
  }

  const supplied = (names) => image?.frame((described.frames ?? []).filter((f) => names.includes(f.name)));
  return { element, believe, hold, supplied, stop };
}
