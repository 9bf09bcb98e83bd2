/* Helpers for HTML and SVG elements, numbers and colours. */
const SVG = "http://www.w3.org/2000/svg";

/** Create an HTML element with attributes, event handlers and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") element.style.cssText = value;
    else if (name.startsWith("on")) element[name] = value;
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Create an SVG element with attributes and children. */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Format a number with a true minus sign and a fixed number of decimals. */
export const number = (value, digits = 1) => value.toFixed(digits).replace("-", "−");

/** Decode little-endian float32 numbers from base64. */
export function floats(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/** A colour of the theme as red, green and blue. */
export function rgb(text) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = text;
  probe.fillRect(0, 0, 1, 1);
  return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
}

/** Whether the visitor prefers reduced motion. */
export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Mark all elements, including new ones, that belong to the highlighted modality. */
export function light(root) {
  for (const element of root.querySelectorAll("[data-of]")) {
    element.classList.toggle("lit", element.dataset.of === root.dataset.lit);
  }
}

/**
 * Highlight the elements of the modality that is pointed at or focused, and dim the others. An
 * element names its modality in `data-of`.
 */
export function lightUp(root, changed) {
  const follow = (event) => {
    const name = event.target.closest?.("[data-of]")?.dataset.of ?? null;
    if (name === (root.dataset.lit ?? null)) return;
    if (name === null) delete root.dataset.lit;
    else root.dataset.lit = name;
    light(root);
    changed();
  };
  const leave = () => follow({ target: root });
  root.onpointerover = follow;
  root.onpointerleave = leave;
  root.addEventListener("focusin", follow); // there is no onfocusin
  root.addEventListener("focusout", leave);
}
