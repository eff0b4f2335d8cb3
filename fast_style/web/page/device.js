// What paints on this device: asks the worker in painter.js.
import { ask } from "./server.js";
import { t } from "./text.js";

export class Device {
  constructor(runtime) {
    this.runtime = runtime;
    this.waiting = new Map();
    this.count = 0;
    this.style = null; // id of the one whose network is loaded
    this.loading = null;
  }

  // Why nothing can be painted here, as a sentence; null: it can.
  get lack() {
    if (!this.runtime) return t("no_runtime");
    return typeof WebAssembly === "object" && typeof OffscreenCanvas === "function" ? null : t("no_wasm");
  }

  send(task, values, transfer = []) {
    this.worker ??= this.start();
    return new Promise((done, failed) => {
      this.waiting.set((this.count += 1), { done, failed });
      this.worker.postMessage({ id: this.count, task, ...values }, transfer);
    });
  }

  start() {
    const worker = new Worker(new URL("painter.js", import.meta.url), { type: "module" });
    worker.addEventListener("message", ({ data }) => {
      const { done, failed } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error) failed(new Error(t("device_failed", { reason: data.error })));
      else done(data);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.end(new Error(t("device_failed", { reason: event.message ?? "worker" })));
    });
    return worker;
  }

  // End what is at work; the next that is asked for begins anew.
  end(error) {
    this.worker?.terminate();
    this.worker = this.style = null;
    for (const { failed } of this.waiting.values()) failed(error);
    this.waiting.clear();
  }

  // Load the network of a style: one after the other, and only what is not loaded.
  async use(style) {
    while (this.loading) await this.loading.catch(() => {});
    if (this.style === style.id) return;
    this.loading = this.load(style);
    try {
      await this.loading;
    } finally {
      this.loading = null;
    }
  }

  async load(style) {
    const model = await (await ask(style.network ?? `api/network?style=${encodeURIComponent(style.id)}`)).arrayBuffer();
    this.style = null;
    const { engine, threads } = await this.send("load", { model, webgpu: this.runtime.webgpu }, [model]);
    this.style = style.id;
    this.engine = engine === "webgpu" ? "WebGPU" : t(threads > 1 ? "wasm_threads" : "wasm_thread", { threads });
  }

  // A picture of a frame, which is used up: a bitmap of width and height, painted at most `side` pixels long.
  async paint(frame, { width, height, side = Math.max(width, height), strength = 1 }) {
    return (await this.send("paint", { frame, width, height, side, strength }, [frame])).bitmap;
  }
}

// Have the browser save a file.
export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export const fileName = (style) => style.name.toLowerCase().replace(/[^\p{L}\p{N}_+-]+/gu, "_");
