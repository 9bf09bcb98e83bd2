/* Geometry and colours of a map, as pure functions. */

/* Petroff's ten colours, distinguishable with any colour vision: https://arxiv.org/abs/2107.02270 */
export const TEN = [
  "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6",
  "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
];

/* Stops of the colour map cividis, which looks the same with any colour vision:
   https://doi.org/10.1371/journal.pone.0199239 */
const CIVIDIS = [
  [0, 34, 78], [41, 58, 107], [87, 93, 109], [124, 123, 120], [165, 157, 114], [210, 193, 87], [254, 232, 56],
];

/** The colour of a value from 0 (dark) to 1 (bright). */
export function sequential(value) {
  const position = Math.min(Math.max(value, 0), 1) * (CIVIDIS.length - 1);
  const below = Math.min(Math.floor(position), CIVIDIS.length - 2);
  const mix = (channel) => {
    const [low, high] = [CIVIDIS[below][channel], CIVIDIS[below + 1][channel]];
    return Math.round(low + (position - below) * (high - low));
  };
  return `rgb(${mix(0)}, ${mix(1)}, ${mix(2)})`;
}

/** The colour of a category; with more than ten categories they repeat. */
export function qualitative(index) {
  return TEN[index % TEN.length];
}

/** Whether a category's dots are squares, as for every second one, to support the colours. */
export function isSquare(index) {
  return index % 2 === 1;
}

/** The transform that fits bounds into a canvas with a margin, with one scale for both axes. */
export function viewport([[left, bottom], [right, top]], width, height, margin) {
  const across = (width - 2 * margin) / (right - left || 1);
  const up = (height - 2 * margin) / (top - bottom || 1);
  const scale = Math.min(across, up);
  return {
    scale,
    x: width / 2 - (scale * (left + right)) / 2,
    y: height / 2 + (scale * (bottom + top)) / 2,
  };
}

/** The position of a point on the canvas, whose y axis points down. */
export function onCanvas({ scale, x, y }, [a, b]) {
  return [x + scale * a, y - scale * b];
}

/** The index of the spot nearest to a position, or −1 if none lies within a radius. */
export function nearest(spots, [x, y], radius) {
  let [found, least] = [-1, radius * radius];
  spots.forEach(([a, b], i) => {
    const distance = (a - x) ** 2 + (b - y) ** 2;
    if (distance <= least) [found, least] = [i, distance];
  });
  return found;
}

/**
 * The index of the nearest spot in a direction [dx, dy] of length 1, or −1 if there is none.
 *
 * It lies within 45° of the direction, so that the four arrow keys can reach every spot; sideways
 * distance counts double.
 */
export function towards(spots, from, [dx, dy]) {
  const [x, y] = spots[from];
  let [found, least] = [-1, Infinity];
  spots.forEach(([a, b], i) => {
    const along = (a - x) * dx + (b - y) * dy;
    const aside = Math.abs((a - x) * dy - (b - y) * dx);
    const distance = along + 2 * aside;
    if (along > 0 && aside <= along && distance < least) [found, least] = [i, distance];
  });
  return found;
}

/** The area of the intersection of two boxes [left, top, right, bottom]. */
function overlap([a, b, c, d], [e, f, g, h]) {
  return Math.max(Math.min(c, g) - Math.max(a, e), 0) * Math.max(Math.min(d, h) - Math.max(b, f), 0);
}

/**
 * The centres of labels of given [width, height], each below, above, right or left of its spot. Each
 * label in turn goes where it overlaps others and the canvas's edge least.
 */
export function arrange(spots, sizes, gap, [width, height], taken) {
  const boxes = [...taken, ...spots.map(([x, y]) => [x - gap, y - gap, x + gap, y + gap])];
  return spots.map(([x, y], i) => {
    const [w, h] = sizes[i];
    const [up, side] = [gap + h / 2, gap + w / 2];
    const box = ([a, b]) => [a - w / 2, b - h / 2, a + w / 2, b + h / 2];
    const cost = (middle) => {
      const covered = boxes.reduce((sum, other) => sum + overlap(box(middle), other), 0);
      return covered + w * h - overlap(box(middle), [0, 0, width, height]);
    };
    const middles = [[x, y + up], [x, y - up], [x + side, y], [x - side, y]];
    const best = middles.reduce((found, middle) => (cost(middle) < cost(found) - 1 ? middle : found));
    boxes.push(box(best));
    return best;
  });
}

/** Ease-in and ease-out: the fraction of the way at a time from 0 to 1. */
export function ease(time) {
  const t = Math.min(Math.max(time, 0), 1);
  return t * t * (3 - 2 * t);
}

/** The point at a fraction of the way between two points. */
export function between([a, b], [c, d], part) {
  return [a + part * (c - a), b + part * (d - b)];
}

/** The corner of a box [w, h] that is placed beside a spot and within a canvas [width, height]. */
export function beside([x, y], [w, h], [width, height], gap) {
  const left = x + gap + w <= width ? x + gap : x - gap - w;
  const keep = (value, most) => Math.min(Math.max(value, 0), Math.max(most, 0));
  return [keep(left, width - w), keep(y - h / 2, height - h)];
}
