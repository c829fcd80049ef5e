// Images on canvases.

/** A canvas of so many pixels with a name for those who cannot see it. */
export function makeCanvas(width, height, label) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", label);
  return canvas;
}

/** Paints images, float32 in [0, 1] one behind the other, side by side. */
export function paint(canvas, images, [height, width, channels]) {
  const many = images.length / (height * width * channels), across = width * many;
  if (canvas.width !== across || canvas.height !== height) {
    canvas.width = across;
    canvas.height = height;
  }
  const context = canvas.getContext("2d"), picture = context.createImageData(across, height);
  for (let n = 0; n < many; n++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = ((n * height + y) * width + x) * channels, to = 4 * (y * across + n * width + x);
        for (let c = 0; c < 3; c++) picture.data[to + c] = 255 * images[from + (channels < 3 ? 0 : c)];
        picture.data[to + 3] = channels === 4 ? 255 * images[from + 3] : 255;
      }
    }
  }
  context.putImageData(picture, 0, 0);
}

/** From no difference to the largest: dark blue, grey, yellow, told apart by every eye (as cividis). */
const RAMP = [[0, 32, 77], [57, 72, 107], [124, 123, 120], [188, 175, 111], [255, 234, 70]];

/** Paints how far two images are apart, from 0 to `most`, pixel by pixel: the mean over the channels. */
export function paintDifference(canvas, a, b, [height, width, channels], most = 0.5) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), picture = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += Math.abs(a[i * channels + c] - b[i * channels + c]);
    const place = Math.min(1, sum / channels / most) * (RAMP.length - 1), below = Math.min(Math.floor(place), RAMP.length - 2);
    for (let c = 0; c < 3; c++) {
      picture.data[4 * i + c] = RAMP[below][c] + (RAMP[below + 1][c] - RAMP[below][c]) * (place - below);
    }
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
}

/** An element with attributes and children; texts become text, never markup. */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value !== undefined) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** A number with three digits that count. */
export function short(value) {
  if (!Number.isFinite(value)) return "none";
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** A share in per cent. */
export function percent(share) {
  return `${(100 * share).toFixed(share > 0 && share < 1 ? 1 : 0)}\u00a0%`;
}
