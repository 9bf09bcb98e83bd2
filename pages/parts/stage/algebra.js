/*
 * The algebra of Gaussians and their products, as mvae/distributions/gaussian.py has it. A diagonal Gaussian is
 * {mean, logvar}, arrays of D numbers. Nothing here knows of a page.
 */

/**
 * The prior N(0, I) and experts multiplied: {mean, logvar, shares}, shares[0] the prior's, which
 * a lesson may leave out where there is an expert.
 */
export function product(experts, latents, prior = true) {
  const [mean, logvar] = [new Float64Array(latents), new Float64Array(latents)];
  const shares = Array.from({ length: experts.length + 1 }, () => new Float64Array(latents));
  for (let d = 0; d < latents; d++) {
    // log precisions: 0 for the prior; softmax and logsumexp, so that nothing overflows
    const logs = [prior ? 0 : -Infinity, ...experts.map((expert) => -expert.logvar[d])];
    const largest = Math.max(...logs);
    const weights = logs.map((log) => Math.exp(log - largest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, i) => {
      shares[i][d] = weight / total;
      if (i) mean[d] += (weight / total) * experts[i - 1].mean[d];
    });
    logvar[d] = -(largest + Math.log(total));
  }
  return { mean, logvar, shares };
}

/** KL to the prior of each dimension, in nats: what the evidence told. */
export function information({ mean, logvar }) {
  return Float64Array.from(mean, (m, d) => 0.5 * (Math.exp(logvar[d]) + m * m - 1 - logvar[d]));
}

/** How many nats sharper than the prior: the difference of the entropies. */
export function sharpness({ logvar }) {
  return -0.5 * logvar.reduce((sum, value) => sum + value, 0);
}

/** How far the factors stand apart, in units of their own widths, squared and summed. */
export function conflict(experts, { mean }) {
  return mean.reduce((sum, m, d) => {
    const apart = experts.map((e) => (e.mean[d] - m) ** 2 * Math.exp(-e.logvar[d]));
    return sum + m * m + apart.reduce((a, b) => a + b, 0);
  }, 0);
}

/** The part of it that is between the experts, the prior left out: Σ T_i T_j / T_S (μ_i − μ_j)². */
export function disagreement(experts) {
  let sum = 0;
  for (let d = 0; d < (experts[0]?.mean.length ?? 0); d++) {
    const precisions = experts.map((e) => Math.exp(-e.logvar[d]));
    const total = precisions.reduce((a, b) => a + b, 0);
    for (let i = 0; i < experts.length; i++) for (let j = 0; j < i; j++) {
      sum += (precisions[i] / total) * precisions[j] * (experts[i].mean[d] - experts[j].mean[d]) ** 2;
    }
  }
  return sum;
}

/** Density of N(mean, std²) at z. */
export function density(z, mean, std) {
  return Math.exp(-0.5 * ((z - mean) / std) ** 2) / (std * Math.sqrt(2 * Math.PI));
}

/** The Gaussian between two, from 0 to 1 of the way. */
export function between(from, to, part) {
  const mix = (a, b) => Float64Array.from(a, (x, d) => x + (b[d] - x) * part);
  return { mean: mix(from.mean, to.mean), logvar: mix(from.logvar, to.logvar) };
}

const dot = (a, b) => a.reduce((sum, x, d) => sum + x * b[d], 0);

/** Where z lies on a plane with orthonormal axes: its two coordinates Uᵀz. */
export function project(z, axes) {
  return axes.map((axis) => dot(axis, z));
}

/** What of z the plane's coordinates do not tell: z − U Uᵀz. */
export function beside(z, axes) {
  const [u, v] = project(z, axes);
  return Float64Array.from(z, (x, d) => x - u * axes[0][d] - v * axes[1][d]);
}

/** The latent at a point of the plane through `rest`. */
export function lift([u, v], axes, rest) {
  return Float64Array.from(rest, (x, d) => x + u * axes[0][d] + v * axes[1][d]);
}

/**
 * The slice of a diagonal Gaussian by the plane {rest + U c}: a Gaussian in c with precision
 * A = Uᵀ T U and mean A⁻¹ Uᵀ T (μ − rest). Slices multiply as the experts do; projections don't.
 */
export function slice({ mean, logvar }, axes, rest) {
  const precision = Float64Array.from(logvar, (value) => Math.exp(-value));
  const weigh = (a, b) => a.reduce((sum, x, d) => sum + x * precision[d] * b[d], 0);
  const [u, v] = axes;
  const [a, b, c] = [weigh(u, u), weigh(u, v), weigh(v, v)];
  const apart = Float64Array.from(mean, (m, d) => m - rest[d]);
  const [p, q] = [weigh(u, apart), weigh(v, apart)];
  const determinant = a * c - b * b;
  const centre = [(c * p - b * q) / determinant, (a * q - b * p) / determinant];
  return { mean: centre, precision: [a, b, c] };
}

/** Half axes at one standard deviation and the angle of the first, of a 2-D Gaussian. */
export function ellipse({ precision: [a, b, c] }) {
  const middle = (a + c) / 2;
  const spread = Math.hypot((a - c) / 2, b);
  // the direction of least precision is the longest half axis
  const angle = 0.5 * Math.atan2(2 * b, a - c) + Math.PI / 2;
  const least = (a * c - b * b) / (middle + spread); // not middle − spread, which cancels
  return { long: 1 / Math.sqrt(least), short: 1 / Math.sqrt(middle + spread), angle };
}

/**
 * Names of experts, the most telling first: each is the one whose product with those before it,
 * and with the prior, has the lowest entropy.
 */
export function mostTelling(experts, names, latents) {
  const order = [];
  while (order.length < names.length) {
    const told = (name) => sharpness(product([...order, name].map((n) => experts[n]), latents));
    const left = names.filter((name) => !order.includes(name)).map((name) => [told(name), name]);
    order.push(left.reduce((best, other) => (other[0] > best[0] ? other : best))[1]);
  }
  return order;
}
