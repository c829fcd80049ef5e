// Numbers as files store them.

const bits = new Uint32Array(1), single = new Float32Array(bits.buffer);

/** float16 numbers, given as 16-bit integers, as float32. */
export function fromHalf(halves) {
  const words = new Uint32Array(halves.length), numbers = new Float32Array(words.buffer);
  for (let i = 0; i < halves.length; i++) {
    const sign = (halves[i] & 0x8000) << 16, exponent = (halves[i] >> 10) & 31, fraction = halves[i] & 1023;
    if (exponent === 0) numbers[i] = (sign ? -1 : 1) * fraction * 2 ** -24;
    else words[i] = sign | ((exponent === 31 ? 255 : exponent + 112) << 23) | (fraction << 13);
  }
  return numbers;
}

/** A float32 rounded to the nearest float16, halves to the even one. */
export function roundToHalf(value) {
  if (Math.abs(value) < 2 ** -14) return roundHalfEven(value * 2 ** 24) * 2 ** -24;
  single[0] = value;
  bits[0] += 0xfff + ((bits[0] >>> 13) & 1);
  bits[0] &= ~0x1fff;
  return Math.abs(single[0]) > 65504 ? Math.sign(value) * Infinity : single[0];
}

/** The nearest whole number; a half goes to the even one. */
export function roundHalfEven(value) {
  const down = Math.floor(value);
  if (value - down !== 0.5) return Math.round(value);
  return down % 2 === 0 ? down : down + 1;
}

/** The numbers of that type in bytes, which may start anywhere. */
export function typed(Type, bytes) {
  return new Type(bytes.slice().buffer, 0, Math.floor(bytes.length / Type.BYTES_PER_ELEMENT));
}

/** Bytes from base64. */
export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
