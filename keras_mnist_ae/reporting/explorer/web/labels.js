// Names and colours on the map.

const LINE = 19; // height of a name in CSS pixels
const LETTER = 10; // width of a letter, about

/** Writes names at their places, `at`, moved apart where one would cover another. */
export function writeNames(context, names, { ink, paper }) {
  Object.assign(context, { font: "700 17px system-ui, sans-serif", textAlign: "center", textBaseline: "middle" });
  Object.assign(context, { lineWidth: 4, lineJoin: "round", strokeStyle: paper, fillStyle: ink });
  for (const { text, at } of apart(names)) {
    context.strokeText(text, ...at);
    context.fillText(text, ...at);
  }
}

/** Names moved until none covers another. */
function apart(names) {
  for (let round = 0; round < 40; round++) {
    for (const [i, a] of names.entries()) {
      for (const b of names.slice(i + 1)) {
        const across = (LETTER / 2) * (a.text.length + b.text.length) + 4 - Math.abs(a.at[0] - b.at[0]);
        const down = LINE - Math.abs(a.at[1] - b.at[1]), axis = across < down ? 0 : 1;
        if (across <= 0 || down <= 0) continue;
        const step = (Math.min(across, down) / 2) * (a.at[axis] <= b.at[axis] ? -1 : 1);
        a.at[axis] += step;
        b.at[axis] -= step;
      }
    }
  }
  return names;
}

/** The colours of the style sheet, which knows light from dark. */
export function palette(element) {
  const style = getComputedStyle(element), colour = (name) => style.getPropertyValue(name).trim();
  return {
    ink: colour("--ink"),
    paper: colour("--panel"),
    classes: Array.from({ length: 10 }, (_, i) => colour(`--class-${i}`)),
  };
}
