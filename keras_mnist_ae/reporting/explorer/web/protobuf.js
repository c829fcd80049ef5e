// Protocol Buffers, as far as ONNX files need it: a message is a list of numbered fields.

/** A file, message or answer that cannot be used; its text is for the reader of the page. */
export class Refusal extends Error {}

const VARINT = 0, SIXTY_FOUR = 1, BYTES = 2, THIRTY_TWO = 5;
const decoder = new TextDecoder("utf-8");

/**
 * The fields of a message in the order of the file.
 *
 * @param {Uint8Array} message
 * @returns {Array<[number, number | Uint8Array]>} number and value; a value is a whole number or bytes
 */
export function fields(message) {
  const found = [];
  let at = 0;
  while (at < message.length) {
    let key, size;
    [key, at] = varint(message, at);
    const wire = key & 7;
    if (wire === VARINT) {
      let value;
      [value, at] = varint(message, at);
      found.push([Math.floor(key / 8), value]);
      continue;
    }
    if (wire === BYTES) [size, at] = varint(message, at);
    else if (wire === SIXTY_FOUR) size = 8;
    else if (wire === THIRTY_TWO) size = 4;
    else throw new Refusal("The file breaks off or is no ONNX file.");
    if (size < 0 || at + size > message.length) throw new Refusal("The file breaks off or is no ONNX file.");
    found.push([Math.floor(key / 8), message.subarray(at, at + size)]);
    at += size;
  }
  return found;
}

/** The values of the fields of one number; of the kind `number` or `bytes`, where that is said. */
export function all(found, number, kind) {
  const values = found.filter(([each]) => each === number).map(([, value]) => value);
  const fits = (value) => (kind === "number") === (typeof value === "number");
  if (kind && !values.every(fits)) {
    throw new Refusal("The file has a number where text should stand, or the other way round.");
  }
  return values;
}

/** Whole numbers that are stored one by one or packed into bytes. */
export function integers(found, number) {
  return all(found, number).flatMap((value) => (typeof value === "number" ? [value] : unpacked(value)));
}

/** The last text of that number, "" without one. */
export function text(found, number) {
  return decoder.decode(all(found, number, "bytes").at(-1) ?? new Uint8Array());
}

function unpacked(bytes) {
  const values = [];
  let at = 0;
  while (at < bytes.length) {
    let value;
    [value, at] = varint(bytes, at);
    values.push(value);
  }
  return values;
}

/** A whole number in groups of 7 bits, the lowest first, and where it ends; 64 bits are signed. */
function varint(bytes, at) {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (at >= bytes.length) break;
    const group = bytes[at++];
    value |= BigInt(group & 127) << shift;
    if (group < 128) return [Number(BigInt.asIntN(64, value)), at];
  }
  throw new Refusal("The file breaks off or is no ONNX file.");
}
