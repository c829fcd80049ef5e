// Layers that slide a window over an image: convolutions as matrix products, and pooling.

import { matmul } from "./matmul.js";
import { Refusal } from "./protobuf.js";
import { tensor } from "./tensor.js";

/** Conv: the windows of the image as rows of a matrix, times the kernels as its columns. */
export function conv(x, weight, bias, { kernel_shape: [high, wide], strides: [down, along], pads }) {
  const [batch, channels, height, width] = x.dims, [top, left, bottom, right] = pads;
  const outputs = weight.dims[0];
  fits("Conv", weight.dims, [outputs, channels, high, wide], bias, outputs);
  const rows = Math.floor((height + top + bottom - high) / down) + 1;
  const columns = Math.floor((width + left + right - wide) / along) + 1;
  const size = high * wide * channels, windows = tensor([batch * rows * columns, size]).data;
  let at = 0;
  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++, at += size) {
        const x0 = column * along - left, first = Math.max(0, -x0), last = Math.min(wide, width - x0);
        for (let ky = 0; ky < high; ky++) {
          const y = row * down - top + ky;
          if (y < 0 || y >= height) continue;
          const from = ((n * height + y) * width + x0) * channels, to = at + ky * wide * channels;
          for (let i = first * channels; i < last * channels; i++) windows[to + i] = x.data[from + i];
        }
      }
    }
  }
  const kernels = packed(weight, packKernels);
  const product = matmul(windows, kernels, bias.data, batch * rows * columns, size, outputs);
  return tensor([batch, outputs, rows, columns], product);
}

/** ConvTranspose: each pixel times all kernels gives a stamp; stamps that overlap are added. */
export function convTranspose(x, weight, bias, { kernel_shape: [high, wide], strides: [down, along], pads }) {
  const [batch, channels, height, width] = x.dims, [top, left, bottom, right] = pads;
  const outputs = weight.dims[1];
  fits("ConvTranspose", weight.dims, [channels, outputs, high, wide], bias, outputs);
  const rows = (height - 1) * down + high - top - bottom;
  const columns = (width - 1) * along + wide - left - right;
  const size = high * wide * outputs;
  const stamps = matmul(x.data, packed(weight, packStamps), null, batch * height * width, channels, size);
  const result = tensor([batch, outputs, rows, columns]), { data } = result;
  for (let i = 0; i < data.length; i += outputs) data.set(bias.data, i);
  let at = 0;
  for (let n = 0; n < batch; n++) {
    for (let y = 0; y < height; y++) {
      for (let x1 = 0; x1 < width; x1++, at += size) {
        const x0 = x1 * along - left, first = Math.max(0, -x0), last = Math.min(wide, columns - x0);
        for (let ky = 0; ky < high; ky++) {
          const row = y * down - top + ky;
          if (row < 0 || row >= rows) continue;
          const to = ((n * rows + row) * columns + x0) * outputs, from = at + ky * wide * outputs;
          for (let i = first * outputs; i < last * outputs; i++) data[to + i] += stamps[from + i];
        }
      }
    }
  }
  return result;
}

/** Gemm with transB: rows of numbers times a matrix (outputs, inputs). */
export function gemm(x, weight, bias) {
  const [batch, inputs] = x.dims, [outputs] = weight.dims;
  fits("Gemm", weight.dims, [outputs, inputs], bias, outputs);
  return tensor([batch, outputs], matmul(x.data, packed(weight, packMatrix), bias.data, batch, inputs, outputs));
}

/** MaxPool without padding. */
export function maxPool(x, { kernel_shape: [high, wide], strides: [down, along] }) {
  const [batch, channels, height, width] = x.dims;
  const rows = Math.floor((height - high) / down) + 1, columns = Math.floor((width - wide) / along) + 1;
  const result = tensor([batch, channels, rows, columns]);
  let at = 0;
  for (let n = 0; n < batch; n++) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        for (let c = 0; c < channels; c++) {
          let largest = -Infinity;
          for (let ky = 0; ky < high; ky++) {
            const from = ((n * height + row * down + ky) * width + column * along) * channels + c;
            for (let kx = 0; kx < wide; kx++) largest = Math.max(largest, x.data[from + kx * channels]);
          }
          result.data[at++] = largest;
        }
      }
    }
  }
  return result;
}

/** GlobalAveragePool: the mean of each channel, as an image of one pixel. */
export function averagePool(x) {
  const [batch, channels, height, width] = x.dims, pixels = height * width;
  const result = tensor([batch, channels, 1, 1]);
  for (let n = 0; n < batch; n++) {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let i = 0; i < pixels; i++) sum += x.data[(n * pixels + i) * channels + c];
      result.data[n * channels + c] = sum / pixels;
    }
  }
  return result;
}

/** Resize to twice the height and width by repeating pixels. */
export function twice(x) {
  const [batch, channels, height, width] = x.dims;
  const result = tensor([batch, channels, 2 * height, 2 * width]);
  let at = 0;
  for (let row = 0; row < batch * 2 * height; row++) {
    const n = Math.floor(row / (2 * height)), y = Math.floor((row % (2 * height)) / 2);
    for (let column = 0; column < 2 * width; column++, at += channels) {
      const from = ((n * height + y) * width + Math.floor(column / 2)) * channels;
      for (let c = 0; c < channels; c++) result.data[at + c] = x.data[from + c];
    }
  }
  return result;
}

function fits(operator, dims, expected, bias, outputs) {
  if (String(dims) !== String(expected) || bias.data.length !== outputs) {
    throw new Refusal(`A node ${operator} has weights of ${dims.join(" x ")} for ${expected.join(" x ")}.`);
  }
}

const order = new WeakMap(); // weights in the order of the products, made once

function packed(weight, pack) {
  if (!order.has(weight)) order.set(weight, pack(weight));
  return order.get(weight);
}

/** (outputs, channels, high, wide) to (high, wide, channels, outputs). */
function packKernels({ dims: [outputs, channels, high, wide], data }) {
  const result = new Float32Array(data.length), taps = high * wide;
  for (let o = 0; o < outputs; o++) {
    for (let c = 0; c < channels; c++) {
      for (let t = 0; t < taps; t++) result[(t * channels + c) * outputs + o] = data[(o * channels + c) * taps + t];
    }
  }
  return result;
}

/** (channels, outputs, high, wide) to (channels, high, wide, outputs). */
function packStamps({ dims: [channels, outputs, high, wide], data }) {
  const result = new Float32Array(data.length), taps = high * wide;
  for (let c = 0; c < channels; c++) {
    for (let o = 0; o < outputs; o++) {
      for (let t = 0; t < taps; t++) result[(c * taps + t) * outputs + o] = data[(c * outputs + o) * taps + t];
    }
  }
  return result;
}

/** (outputs, inputs) to (inputs, outputs). */
function packMatrix({ dims: [outputs, inputs], data }) {
  const result = new Float32Array(data.length);
  for (let o = 0; o < outputs; o++) {
    for (let i = 0; i < inputs; i++) result[i * outputs + o] = data[o * inputs + i];
  }
  return result;
}
