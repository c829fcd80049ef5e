// The page's end of the worker.

const PATIENCE = 20_000; // milliseconds for an answer, after which the worker is taken for stuck

/** Starts a worker from its source; `ask(kind, question)` promises its answer. */
export function startWorker(source) {
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(url), waiting = new Map();
  let last = 0;
  worker.onmessage = ({ data: { id, answer, refusal, milliseconds } }) => {
    const { resolve, reject, timer } = waiting.get(id);
    waiting.delete(id);
    clearTimeout(timer);
    if (refusal === undefined) resolve({ answer, milliseconds });
    else reject(new Error(refusal));
  };
  worker.onerror = () => stop("The worker that computes could not be started.");

  function stop(reason) {
    worker.terminate();
    URL.revokeObjectURL(url);
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(new Error(reason));
    }
    waiting.clear();
  }

  function timed(kind, question) {
    return new Promise((resolve, reject) => {
      const id = ++last;
      const timer = setTimeout(() => stop("The model takes longer than 20 seconds for an answer."), PATIENCE);
      waiting.set(id, { resolve, reject, timer });
      worker.postMessage({ id, kind, question });
    });
  }

  return { timed, ask: async (kind, question) => (await timed(kind, question)).answer, stop };
}

/** `task`, of which one at a time runs; of the calls made meanwhile only the newest follows. */
export function latest(task) {
  let running = false, next = null;
  return async (...values) => {
    next = values;
    if (running) return;
    running = true;
    try {
      while (next) {
        const now = next;
        next = null;
        await task(...now);
      }
    } finally {
      running = false;
    }
  };
}
