/* Reading the safetensors of checkpoints, all of which are float16. */

/** The number whose float16 representation has the given 16 bits. */
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
  delete header.__metadata__; // the only entry without offsets
  for (const [name, { dtype, shape, data_offsets: [from, to] }] of Object.entries(header)) {
    if (dtype !== "F16") throw new Error(`${name} is ${dtype}, not F16`);
    const bits = new Uint16Array(buffer.slice(8 + size + from, 8 + size + to));
    found[name] = { shape, values: Float32Array.from(bits, (b) => table[b]) };
  }
  return found;
}
