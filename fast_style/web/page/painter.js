// Networks at work on this device, in a thread of their own, so that the page does not stand still.
// Asked {id, task, …}, it answers {id, …}, or {id, error}.
const MOST_THREADS = 4;
const TRIAL = 256; // pixels of a side of what engines are compared with
const PATIENCE = 8000; // milliseconds for it on a graphics processor, its programs being made included
const WRONG = 2 / 255; // mean difference from which on a graphics processor does not compute what it should

let ort = null; // the runtime
let provider = null; // webgpu or wasm, whichever is faster here
let session = null;

const file = (name) => new URL(`runtime/${name}`, import.meta.url).href;

async function start(build) {
  const runtime = await import(file(`${build}.js`));
  runtime.env.logLevel = "error";
  runtime.env.wasm.numThreads = self.crossOriginIsolated ? Math.min(MOST_THREADS, navigator.hardwareConcurrency || 1) : 1;
  runtime.env.wasm.wasmPaths = { mjs: file(`${build}-core.js`), wasm: file(`${build}-core.wasm`) };
  return runtime;
}

const open = (runtime, model, provider) =>
  runtime.InferenceSession.create(new Uint8Array(model), { executionProviders: [provider], logSeverityLevel: 3 });

async function run(session, photos, width, height) {
  const input = new ort.Tensor("float32", photos, [1, 3, height, width]);
  const { stylized } = await session.run({ photos: input });
  const made = await stylized.getData();
  stylized.dispose();
  return made;
}

// How long a session takes for a picture once it is warm, and the picture.
async function attempt(session) {
  const photos = new Float32Array(3 * TRIAL * TRIAL).map((_, i) => 0.5 + 0.5 * Math.sin(i / 40) * Math.cos(i / 9000));
  await run(session, photos, TRIAL, TRIAL);
  const began = performance.now();
  const made = await run(session, photos, TRIAL, TRIAL);
  return { took: performance.now() - began, made };
}

function differ(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i]);
  return sum / a.length;
}

// The graphics processor, if it is there, computes what it should, and is faster; else null.
async function graphics(model) {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter || (adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter)) return null; // or but imitated
    ort = await start("webgpu");
    const [gpu, cpu] = [await open(ort, model, "webgpu"), await open(ort, model, "wasm")];
    const right = await attempt(cpu);
    const late = new Promise((_, failed) => setTimeout(failed, PATIENCE));
    const quick = await Promise.race([attempt(gpu), late]);
    provider = quick.took < right.took && differ(quick.made, right.made) < WRONG ? "webgpu" : "wasm";
    await (provider === "webgpu" ? cpu : gpu).release();
    return provider === "webgpu" ? gpu : cpu;
  } catch {
    ort = provider = null; // such as of a driver: WebAssembly does without
    return null;
  }
}

const tasks = {
  async load({ model, webgpu }) {
    await session?.release();
    session = null;
    if (!provider && webgpu) session = await graphics(model);
    if (!session) {
      provider ??= "wasm";
      ort ??= await start("wasm");
      session = await open(ort, model, provider);
    }
    return { engine: provider, threads: ort.env.wasm.numThreads };
  },

  // A picture of a frame: of this size, and painted at most `side` pixels long, as the server does it.
  async paint({ frame, width, height, side, strength }) {
    const scale = Math.min(1, side / Math.max(width, height));
    const [w, h] = [width, height].map((length) => Math.max(1, Math.round(scale * length)));
    const small = draw(frame, w, h);
    const photo = small.getImageData(0, 0, w, h);
    const painted = picture(await run(session, planes(photo), w, h), photo, scale < 1 ? 1 : strength);
    if (scale < 1) {
      small.putImageData(painted, 0, 0);
      const whole = draw(small.canvas, width, height).getImageData(0, 0, width, height);
      small.putImageData(photo, 0, 0);
      const blurred = draw(small.canvas, width, height).getImageData(0, 0, width, height);
      const original = draw(frame, width, height);
      original.putImageData(sharpened(whole, original.getImageData(0, 0, width, height), blurred, strength), 0, 0);
      return sent(original, frame);
    }
    small.putImageData(painted, 0, 0);
    return sent(small, frame);
  },
};

function draw(image, width, height) {
  const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  pen.fillStyle = "#fff"; // behind what is transparent
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, 0, 0, width, height);
  return pen;
}

function sent(pen, frame) {
  frame.close();
  const bitmap = pen.canvas.transferToImageBitmap();
  return { bitmap, transfer: [bitmap] };
}

// Three planes of numbers from 0 to 1.
function planes({ data, width, height }) {
  const size = width * height;
  const made = new Float32Array(3 * size);
  for (let i = 0, j = 0; i < size; i++, j += 4) {
    made[i] = data[j] / 255;
    made[size + i] = data[j + 1] / 255;
    made[2 * size + i] = data[j + 2] / 255;
  }
  return made;
}

function picture(planes, photo, strength) {
  const size = photo.width * photo.height;
  const made = new ImageData(photo.width, photo.height);
  for (let i = 0, j = 0; i < size; i++, j += 4) {
    for (let c = 0; c < 3; c++)
      made.data[j + c] = photo.data[j + c] + strength * (255 * planes[c * size + i] - photo.data[j + c]);
    made.data[j + 3] = 255;
  }
  return made;
}

const luma = (data, j) => 0.299 * data[j] + 0.587 * data[j + 1] + 0.114 * data[j + 2];

// Give an enlarged picture the light and dark that the photo lost when it was made smaller.
function sharpened(picture, photo, blurred, strength) {
  for (let j = 0; j < photo.data.length; j += 4) {
    const lost = luma(photo.data, j) - luma(blurred.data, j);
    for (let c = j; c < j + 3; c++) {
      const made = Math.min(255, Math.max(0, picture.data[c] + lost));
      picture.data[c] = photo.data[c] + strength * (made - photo.data[c]);
    }
  }
  return picture;
}

async function answer(data) {
  try {
    const { transfer = [], ...made } = await tasks[data.task](data);
    postMessage({ id: data.id, ...made }, transfer);
  } catch (error) {
    postMessage({ id: data.id, error: String(error?.message ?? error).split("\n")[0].slice(0, 300) });
  }
}

let turn = Promise.resolve(); // one after the other: a network at work is not taken away
addEventListener("message", ({ data }) => (turn = turn.then(() => answer(data))));
