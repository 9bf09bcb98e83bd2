/*
 * Decoders in the browser: float16 weights from safetensors, linear layers with SiLU between them,
 * and the mean of the likelihood at the end, as mvae/networks.py and mvae/likelihood.py have it.
 */

/** A float16 number of its 16 bits. */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The tensors of a safetensors file: name to {shape, values}. */
export function tensors(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const table = Float32Array.from({ length: 65536 }, (_, bits) => half(bits));
  const found = {};
  delete header.__metadata__; // which has no offsets
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    if (dtype !== "F16") throw new Error(`${name} is ${dtype}, not F16`);
    const bits = new Uint16Array(buffer.slice(8 + size + from, 8 + size + to));
    found[name] = { shape, values: Float32Array.from(bits, (b) => table[b]) };
  }
  return found;
}

/** The layers of the decoder that stands at an index, in order. */
function layersOf(weights, index) {
  const start = `decoders.${index}.net.`;
  const names = Object.keys(weights).filter((n) => n.startsWith(start) && n.endsWith(".weight"));
  names.sort((a, b) => parseInt(a.slice(start.length)) - parseInt(b.slice(start.length)));
  return names.map((name) => ({
    weight: weights[name].values,
    bias: weights[name.replace(/weight$/, "bias")].values,
    outputs: weights[name].shape[0],
    inputs: weights[name].shape[1],
  }));
}

/** y = W x + b, four sums at a time, which keeps the processor busy. */
function linear({ weight, bias, outputs, inputs }, x, y) {
  const even = inputs - (inputs % 4);
  for (let o = 0; o < outputs; o++) {
    let [a, b, c, d] = [bias[o], 0, 0, 0];
    const row = o * inputs;
    for (let i = 0; i < even; i += 4) {
      a += weight[row + i] * x[i];
      b += weight[row + i + 1] * x[i + 1];
      c += weight[row + i + 2] * x[i + 2];
      d += weight[row + i + 3] * x[i + 3];
    }
    for (let i = even; i < inputs; i++) a += weight[row + i] * x[i];
    y[o] = a + b + c + d;
  }
}

const logistic = (x) => 1 / (1 + Math.exp(-x));

/** From a decoder's numbers to the mean of the modality, in place: probabilities where discrete. */
const MEANS = {
  bernoulli: (y) => y.forEach((value, i) => (y[i] = logistic(value))),
  "bernoulli-cross-entropy": (y) => MEANS.bernoulli(y),
  categorical(y) {
    const largest = Math.max(...y);
    y.forEach((value, i) => (y[i] = Math.exp(value - largest)));
    const total = y.reduce((sum, value) => sum + value, 0);
    y.forEach((value, i) => (y[i] = value / total));
  },
  gaussian: () => {}, // its first half is the mean
};

/**
 * A decoder for each modality: z (D numbers) to the mean of the modality. What it returns is
 * overwritten by the next call.
 */
export function decoders(buffer, modalities) {
  const weights = tensors(buffer);
  return modalities.map(({ likelihood, elements }, index) => {
    const layers = layersOf(weights, index);
    const outputs = layers.map((layer) => new Float32Array(layer.outputs));
    return (z) => {
      let x = Float32Array.from(z);
      layers.forEach((layer, i) => {
        const y = outputs[i];
        linear(layer, x, y);
        if (i < layers.length - 1) for (let o = 0; o < y.length; o++) y[o] *= logistic(y[o]); // SiLU
        x = y;
      });
      MEANS[likelihood](x);
      return x.subarray(0, elements);
    };
  });
}
