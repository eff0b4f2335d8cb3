// Requests to the server of this page.
import { t } from "./text.js";

export class Refused extends Error {
  constructor(status, sentence) {
    super(status in REASONS ? t(REASONS[status]) : sentence);
    this.status = status;
    this.sentence = sentence;
  }
}
const REASONS = { 0: "no_server", 401: "no_token" };
const SOON = 5; // seconds; who is told to wait longer is told why

const pause = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));

// Ask, again after a while where too many do; an answer that is no success is thrown as one sentence.
export async function ask(path, options = {}, tries = 8) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, String(error));
  }
  const wait = Number(answer.headers.get("retry-after")) || 3;
  const busy = answer.status === 429 && wait <= SOON;
  if (busy && tries > 0) {
    await pause(wait);
    options.signal?.throwIfAborted();
    return ask(path, options, tries - 1);
  }
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, busy ? t("busy") : told.error ?? `${answer.status} ${answer.statusText}`);
  }
  return answer;
}

export const get = async (path, options) => (await ask(path, options)).json();

export const post = (path, values, options = {}) =>
  ask(path, {
    method: "POST",
    body: JSON.stringify(values),
    ...options,
    headers: { "content-type": "application/json", ...options.headers },
  });

// Send a file as it is; what is too large is not sent at all.
export async function bring(kind, file, limit) {
  if (limit && file.size > limit) throw new Refused(413, t("too_large", { size: Math.round(limit / 1e6) }));
  const path = `api/${kind}?name=${encodeURIComponent(file.name ?? "photo")}`;
  return (await ask(path, { method: "PUT", body: file })).json();
}

const query = (style) => encodeURIComponent(style);
export const small = (id) => `api/images/${id}/small`;
export const thumbnail = (id, style) => `api/images/${id}/thumbnail?style=${query(style)}`;
export const painting = (style) => `api/painting?style=${query(style)}`;

const box = () => document.getElementById("alert");
// Show what went wrong; what was given up on purpose is nothing wrong.
export function tell(error) {
  if (error.name === "AbortError") return;
  box().querySelector("span").textContent = error.message;
  box().hidden = false;
}
export function hush() {
  box().hidden = true;
}
