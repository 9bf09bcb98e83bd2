/*
 * From strokes to the picture that a model sees, and to text: as pure functions.
 *
 * The same as normalise_ink, pack_bits and unpack_bits of mvae/images/preprocessing.py. A drawing is
 * { pixels, strokes }: strokes are lists of points [x, y] in units of the pad's width, and
 * pixels is null or a restored picture { bits, height, width } that fills the pad.
 */

/** Diameter of the pen in pixels of the picture, if the whole pad becomes the picture. */
const PEN = 2.52;

/* Range of stroke thickness in pixels that holds 90 % of MNIST's digits. A digit drawn small is
   enlarged, and without these limits its strokes would become blots. Used for centred pictures. */
const THINNEST = 1.7;
const THICKEST = 3.6;

/* Samples per pixel and direction for measuring areas. */
const FINE = 8;

/** Whether a drawing is empty. */
export function isEmpty(drawing) {
  return !drawing.pixels && !drawing.strokes.length;
}

/** Diameter of the pen in units of the pad's width, for a picture of a given width in pixels. */
export const penOf = (width) => PEN / width;

/** Thickness of the strokes in pixels, in a drawing enlarged by a scale. */
function thickness(scale, width, framing) {
  const thick = penOf(width) * scale;
  return framing === "centred" ? Math.min(Math.max(thick, THINNEST), THICKEST) : thick;
}

/** Corners of a restored picture's ink pixels, in units of the pad's width. */
function squares({ bits, height, width }) {
  const found = [];
  for (let i = 0; i < height * width; i++) {
    if (bits[i]) found.push([(i % width) / width, Math.floor(i / width) / width]);
  }
  return found;
}

/** Bounding box of the ink in pixels, in a drawing enlarged by a scale. */
function bounds(drawing, scale, columns, framing) {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  const include = (x, y, before, after) => {
    box.left = Math.min(box.left, x * scale - before);
    box.top = Math.min(box.top, y * scale - before);
    box.right = Math.max(box.right, x * scale + after);
    box.bottom = Math.max(box.bottom, y * scale + after);
  };
  const radius = thickness(scale, columns, framing) / 2;
  for (const stroke of drawing.strokes) {
    for (const [x, y] of stroke) include(x, y, radius, radius);
  }
  if (drawing.pixels) {
    const side = scale / drawing.pixels.width;
    for (const [x, y] of squares(drawing.pixels)) include(x, y, 0, side);
  }
  return box;
}

/** The largest scale at which the ink fits into part of the frame, found by bisection. */
function largestScale(drawing, height, width, framing) {
  const part = framing === "centred" ? 20 / 28 : 1;
  const [high, broad] = [Math.round(height * part), Math.round(width * part)];
  let [least, most] = [0, 1000];
  for (let i = 0; i < 50; i++) {
    const middle = (least + most) / 2;
    const { left, top, right, bottom } = bounds(drawing, middle, width, framing);
    if (right - left <= broad && bottom - top <= high) least = middle;
    else most = middle;
  }
  return least;
}

/** Mark the samples of a fine grid that lie within a radius of the segment from a to b. */
function capsule(grid, rows, columns, [ax, ay], [bx, by], radius) {
  const first = (value, limit) => Math.min(Math.max(Math.ceil(value - 0.5), 0), limit);
  const top = first(Math.min(ay, by) - radius, rows);
  const bottom = first(Math.max(ay, by) + radius, rows);
  const left = first(Math.min(ax, bx) - radius, columns);
  const right = first(Math.max(ax, bx) + radius, columns);
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy || 1;
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) {
      const [px, py] = [column + 0.5 - ax, row + 0.5 - ay];
      const along = Math.min(Math.max((px * dx + py * dy) / length, 0), 1);
      const [ex, ey] = [px - along * dx, py - along * dy];
      if (ex * ex + ey * ey <= radius * radius) grid[row * columns + column] = 1;
    }
  }
}

/** The share of ink in every pixel, row by row, of a drawing that is enlarged and moved. */
function coverage(drawing, height, width, scale, left, top, framing) {
  const [rows, columns] = [height * FINE, width * FINE];
  const grid = new Uint8Array(rows * columns);
  const place = ([x, y]) => [(x * scale + left) * FINE, (y * scale + top) * FINE];
  const radius = (thickness(scale, width, framing) / 2) * FINE;
  for (const stroke of drawing.strokes) {
    for (let i = 0; i < stroke.length; i++) {
      const [a, b] = [place(stroke[Math.max(i - 1, 0)]), place(stroke[i])];
      capsule(grid, rows, columns, a, b, radius);
    }
  }
  if (drawing.pixels) {
    const side = (scale / drawing.pixels.width) * FINE;
    for (const corner of squares(drawing.pixels)) {
      const [x, y] = place(corner);
      const [right, bottom] = [Math.round(x + side), Math.round(y + side)];
      for (let row = Math.round(y); row < Math.min(bottom, rows); row++) {
        grid.fill(1, row * columns + Math.round(x), row * columns + Math.min(right, columns));
      }
    }
  }
  const shares = new Float64Array(height * width);
  grid.forEach((there, i) => {
    const row = Math.floor(i / columns / FINE);
    shares[row * width + Math.floor((i % columns) / FINE)] += there / (FINE * FINE);
  });
  return shares;
}

/** The move in whole pixels that brings the centre of mass within half a pixel of the centre. */
function shift(mass, extent) {
  const total = mass.reduce((sum, m) => sum + m, 0);
  const centre = mass.reduce((sum, m, i) => sum + m * i, 0) / total;
  const wanted = Math.ceil(Math.floor(mass.length / 2) - 0.5 - centre);
  return Math.min(Math.max(wanted, 0), mass.length - Math.ceil(extent - 1e-6));
}

/**
 * The grey picture of a drawing, height × width values from 0 to 1, row by row.
 *
 * Framed "centred", the ink is fitted into 20/28 of the frame and its centre of mass is put in the
 * middle by whole pixels, as MNIST's are; "filled", it is fitted into the frame; "free", it stays
 * where it was drawn.
 */
export function grey(drawing, height, width, framing) {
  if (isEmpty(drawing)) return new Float64Array(height * width);
  const free = framing === "free";
  const scale = free ? width : largestScale(drawing, height, width, framing);
  const frame = { left: 0, top: 0, right: width, bottom: height };
  const box = free ? frame : bounds(drawing, scale, width, framing);
  const [tall, wide] = [box.bottom - box.top, box.right - box.left];
  let [left, top] = [-box.left, -box.top];
  if (framing === "filled") [left, top] = [left + (width - wide) / 2, top + (height - tall) / 2];
  const shares = coverage(drawing, height, width, scale, left, top, framing);
  let [down, across] = [0, 0];
  if (framing === "centred") {
    const [rows, columns] = [new Float64Array(height), new Float64Array(width)];
    shares.forEach((share, i) => {
      rows[Math.floor(i / width)] += share;
      columns[i % width] += share;
    });
    [down, across] = [shift(rows, tall), shift(columns, wide)];
  }
  const most = Math.max(...shares) || 1;
  const picture = new Float64Array(height * width);
  shares.forEach((share, i) => {
    if (share) picture[i + down * width + across] = share / most;
  });
  return picture;
}

/** The binary picture of a drawing, 0 or 1 per pixel, row by row; a restored one is unchanged. */
export function picture(drawing, height, width, framing) {
  if (drawing.pixels && !drawing.strokes.length) return drawing.pixels.bits;
  return Uint8Array.from(grey(drawing, height, width, framing), (value) => (value > 0.5 ? 1 : 0));
}

/** Encode a binary picture as text: most significant bit first, base64url without padding. */
export function pack(bits) {
  const bytes = new Uint8Array(Math.ceil(bits.length / 8));
  bits.forEach((bit, i) => {
    if (bit) bytes[i >> 3] |= 128 >> (i & 7);
  });
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Decode a binary picture from text; null if the text is damaged or the picture has no ink. */
export function unpack(text, size) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  const bytes = Math.ceil(size / 8);
  if (text.length !== Math.ceil((bytes * 4) / 3)) return null;
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  const bits = Uint8Array.from({ length: size }, (_, i) => {
    return (plain.charCodeAt(i >> 3) >> (7 - (i & 7))) & 1;
  });
  return bits.includes(1) ? bits : null;
}
