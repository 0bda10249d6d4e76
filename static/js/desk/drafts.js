// Nothing said at the desk is lost: kept in the browser at once, on the server half a second later.
import { announce } from "./words.js";

const DEBOUNCE = 500;
const RETRY = 10_000;
const RENEW = 60_000;
const keptOf = (form) => `laoshi-draft ${form.dataset.draft} `;
const keyOf = (form) => keptOf(form) + form.elements.token.value;

export function startDrafts(form, say, signal) {
  const address = form.dataset.draft;
  if (!address) return { finish: () => {}, changed: () => {} };
  const [state, clock] = [form.querySelector("#draft-state"), form.querySelector("#time-left")];
  const key = keyOf(form);
  let until = Date.now() + Number(form.dataset.secondsLeft) * 1000;
  let [timer, isOver, wasWarned, lastWork, lastSent] = [0, false, false, 0, Date.now()];
  let isLeaving = false;

  const body = () => new URLSearchParams(new FormData(form)).toString();

  async function send(text, { keepalive = false } = {}) {
    const response = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded", Accept: "application/json" },
      body: text,
      keepalive,
    });
    if (!response.ok || response.redirected) throw new Error(String(response.status));
    return response.json();
  }

  async function save() {
    const text = body();
    lastSent = Date.now();
    state.textContent = say("saving");
    try {
      const { kept, seconds_left: left } = await send(text);
      if (isOver) return;
      // The page that comes may have been written before the draft was there: it finds it here.
      if (localStorage.getItem(key) === text && !isLeaving) localStorage.removeItem(key);
      if (left === null) return lost(kept ? "gone" : "elsewhere");
      until = Date.now() + left * 1000;
      wasWarned = false;
      state.textContent = kept ? say("saved") : "";
      tick();
    } catch {
      if (isOver) return;
      state.textContent = say("offline");
      clearTimeout(timer);
      timer = setTimeout(save, RETRY);
    }
  }

  function changed() {
    if (isOver) return;
    isLeaving = false;
    lastWork = Date.now();
    localStorage.setItem(key, body());
    clearTimeout(timer);
    timer = setTimeout(save, DEBOUNCE);
  }

  function lost(why) {
    state.textContent = say(why);
    announce(say(why));
  }

  function tick() {
    const left = (until - Date.now()) / 1000;
    clock.textContent = left > 0 ? say("timeLeft", { minutes: Math.ceil(left / 60) }) : say("timeOver");
    clock.classList.toggle("is-short", left < 120);
    if (left < 120 && !wasWarned) {
      wasWarned = true;
      announce(say(left > 0 ? "timeShort" : "timeOver"));
    }
    if (lastWork > lastSent && Date.now() - lastSent > RENEW) save();
  }

  const worked = () => (lastWork = Date.now());
  for (const name of ["keydown", "pointerdown", "scroll"]) {
    document.addEventListener(name, worked, { signal, passive: true });
  }
  addEventListener("online", () => localStorage.getItem(key) && save(), { signal });
  addEventListener("beforeunload", () => (isLeaving = true), { signal });
  addEventListener(
    "pagehide",
    () => {
      const unsent = localStorage.getItem(key);
      if (unsent && !isOver) send(unsent, { keepalive: true }).catch(() => {});
    },
    { signal },
  );
  form.addEventListener("input", changed, { signal });
  const ticking = setInterval(tick, 5_000);
  signal.addEventListener("abort", () => clearInterval(ticking));
  sendOthers(key, form, send);
  tick();

  return {
    changed,
    /** The work was sent for good: nothing of it stays in the browser. */
    finish() {
      isOver = true;
      clearTimeout(timer);
      localStorage.removeItem(key);
    },
  };
}

/** What was kept of this group when the network or the browser went, put back into the form. */
export function restore(form) {
  const kept = localStorage.getItem(keyOf(form));
  if (!kept || !form.dataset.draft) return false;
  const said = new URLSearchParams(kept);
  for (const field of form.elements) {
    if (!field.name || ["csrfmiddlewaretoken", "token"].includes(field.name)) continue;
    const values = said.getAll(field.name);
    if (["checkbox", "radio"].includes(field.type)) field.checked = values.includes(field.value);
    else field.value = values[0] ?? "";
  }
  return true;
}

/** Work on earlier groups that never reached the server goes there now. */
async function sendOthers(own, form, send) {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(keptOf(form)) && key !== own);
  for (const key of keys) {
    const text = new URLSearchParams(localStorage.getItem(key));
    text.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    try {
      await send(text.toString());
      localStorage.removeItem(key);
    } catch {
      return;
    }
  }
}
