/*
 * Gaussians and their products, as in mvae/distributions/gaussian.py. A diagonal Gaussian is
 * {mean, logvar}, two arrays of D numbers.
 */

/**
 * The product of the prior N(0, I) and experts: {mean, logvar, shares}, where shares[0] is the
 * prior's. The prior may be left out if there is an expert.
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

/** KL to the prior in each dimension, in nats. */
export function information({ mean, logvar }) {
  return Float64Array.from(mean, (m, d) => 0.5 * (Math.exp(logvar[d]) + m * m - 1 - logvar[d]));
}

/** Entropy reduction relative to the prior, in nats. */
export function sharpness({ logvar }) {
  return -0.5 * logvar.reduce((sum, value) => sum + value, 0);
}

/** Sum of the squared distances of the factors' means from the product's, in units of their widths. */
export function conflict(experts, { mean }) {
  return mean.reduce((sum, m, d) => {
    const terms = experts.map((e) => (e.mean[d] - m) ** 2 * Math.exp(-e.logvar[d]));
    return sum + m * m + terms.reduce((a, b) => a + b, 0);
  }, 0);
}

/** The part of the conflict between the experts, without the prior: Σ T_i T_j / T_S (μ_i − μ_j)². */
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

/** A Gaussian between two others, at a fraction of the way. */
export function between(from, to, part) {
  const mix = (a, b) => Float64Array.from(a, (x, d) => x + (b[d] - x) * part);
  return { mean: mix(from.mean, to.mean), logvar: mix(from.logvar, to.logvar) };
}

const dot = (a, b) => a.reduce((sum, x, d) => sum + x * b[d], 0);

/** The coordinates Uᵀz of z on a plane with orthonormal axes. */
export function project(z, axes) {
  return axes.map((axis) => dot(axis, z));
}

/** The component of z orthogonal to the plane: z − U Uᵀz. */
export function beside(z, axes) {
  const [u, v] = project(z, axes);
  return Float64Array.from(z, (x, d) => x - u * axes[0][d] - v * axes[1][d]);
}

/** The latent at a point of the plane through `rest`, which is orthogonal to its axes. */
export function lift([u, v], axes, rest) {
  return Float64Array.from(rest, (x, d) => x + u * axes[0][d] + v * axes[1][d]);
}

/**
 * The slice of a diagonal Gaussian along the plane {rest + U c}: a Gaussian in c with precision
 * A = Uᵀ T U and mean A⁻¹ Uᵀ T (μ − rest). The slice of a product is the product of the slices,
 * which is not true of projections.
 */
export function slice({ mean, logvar }, axes, rest) {
  const precision = Float64Array.from(logvar, (value) => Math.exp(-value));
  const weigh = (a, b) => a.reduce((sum, x, d) => sum + x * precision[d] * b[d], 0);
  const [u, v] = axes;
  const [a, b, c] = [weigh(u, u), weigh(u, v), weigh(v, v)];
  const offset = Float64Array.from(mean, (m, d) => m - rest[d]);
  const [p, q] = [weigh(u, offset), weigh(v, offset)];
  const determinant = a * c - b * b;
  const centre = [(c * p - b * q) / determinant, (a * q - b * p) / determinant];
  return { mean: centre, precision: [a, b, c] };
}

/** The half axes of a 2-D Gaussian at one standard deviation, and the angle of the longer one. */
export function ellipse({ precision: [a, b, c] }) {
  const middle = (a + c) / 2;
  const spread = Math.hypot((a - c) / 2, b);
  // the longer half axis has the direction of least precision
  const angle = 0.5 * Math.atan2(2 * b, a - c) + Math.PI / 2;
  const least = (a * c - b * b) / (middle + spread); // middle − spread would cancel
  return { long: 1 / Math.sqrt(least), short: 1 / Math.sqrt(middle + spread), angle };
}

/**
 * Names of experts, the most informative first: greedily, each next expert is the one whose product
 * with the prior and the experts before it has the lowest entropy.
 */
export function mostInformative(experts, names, latents) {
  const order = [];
  while (order.length < names.length) {
    const gain = (name) => sharpness(product([...order, name].map((n) => experts[n]), latents));
    const left = names.filter((name) => !order.includes(name)).map((name) => [gain(name), name]);
    order.push(left.reduce((best, other) => (other[0] > best[0] ? other : best))[1]);
  }
  return order;
}
