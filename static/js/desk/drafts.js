// Nothing said at the desk is lost: kept in the browser at once, on the server half a second later.
import { fill } from "../filling.js";
import { post, whyNot } from "../posting.js";
import { fieldOf } from "./fields.js";
import { announce } from "./words.js";

const [DEBOUNCE, RETRY, RENEW] = [500, 10_000, 60_000];
const SENT = "laoshi-sent";
const NOT_KEPT = ["csrfmiddlewaretoken", "token"];
// What the lease is renewed with: nothing of what was said, which may be older here than elsewhere.
const RENEWING = ["csrfmiddlewaretoken", "token"];
// What answers the question of one mode is no answer to that of another.
const OF_ITS_MODE = ["rank", "none-acceptable"];
const modeOf = (asked) => asked.split(" ")[0];

// To each account its own. A change to what is stored has an address of its own and no token.
const keptOf = (form) => `laoshi-draft ${form.dataset.user} ${form.dataset.draft ?? location.pathname} `;
const keyOf = (form) => keptOf(form) + (form.dataset.draft ? form.elements.token.value : "");
const said = (form) => new URLSearchParams(new FormData(form)).toString();

/** `rest` while the form is being sent, `goOn` when it was refused, `finish` when it is stored. */
export const startDrafts = (form, say, signal) =>
  form.dataset.draft ? keepOnServer(form, say, signal) : keepHere(form, say, signal);

/** A change to what is stored already: the server keeps no draft of it. */
function keepHere(form, say, signal) {
  const key = keyOf(form);
  const finish = () => localStorage.removeItem(key);
  function changed() {
    localStorage.setItem(key, said(form));
    form.querySelector("#draft-state").textContent = say("keptHere");
  }
  form.addEventListener("input", changed, { signal });
  form.querySelector("[data-discard]")?.addEventListener("click", finish, { signal });
  return {
    changed,
    finish,
    rest: () => sessionStorage.setItem(SENT, key),
    goOn: () => sessionStorage.removeItem(SENT),
  };
}

/** On the page after a form that was sent by the browser itself. */
export function forgetSent({ isStored }) {
  if (isStored) localStorage.removeItem(sessionStorage.getItem(SENT));
  sessionStorage.removeItem(SENT);
}

function keepOnServer(form, say, signal) {
  const [state, clock] = [form.querySelector("#draft-state"), form.querySelector("#time-left")];
  const [address, key] = [form.dataset.draft, keyOf(form)];
  let until = Date.now() + Number(form.dataset.secondsLeft) * 1000;
  let [unsaved, timer, lastWork, lastSent] = ["", 0, 0, Date.now()];
  let [isSaving, isResting, isOver, isAway, isLeaving, wasWarned, isOutdated] = Array(7).fill(false);

  const later = (time) => {
    clearTimeout(timer);
    if (!isResting && !isOver) timer = setTimeout(save, time);
  };

  function renewal() {
    const fields = RENEWING.flatMap((name) => (form.elements[name] ? [[name, form.elements[name].value]] : []));
    return new URLSearchParams([...fields, ["renew", "1"]]).toString();
  }

  /** Sends what is unsaved, and without any only renews the lease; one at a time, so in order. */
  async function save() {
    if (isSaving) return later(DEBOUNCE);
    [isSaving, lastSent] = [true, Date.now()];
    const text = unsaved;
    if (text) state.textContent = say("saving");
    try {
      const answer = await post(address, new URLSearchParams(text || renewal()));
      if (!isOver && !isResting) saved(text, answer);
    } catch (error) {
      if (!isOver && !isResting) failed(error);
    }
    isSaving = false;
  }

  function saved(text, { kept, seconds_left: left, outdated }) {
    if (text && text === unsaved) {
      unsaved = "";
      // The page that comes may have been written before the draft was there: it finds it here.
      if (!isLeaving && localStorage.getItem(key) === text) localStorage.removeItem(key);
    }
    if (left === null) return tell(say(kept ? "gone" : "elsewhere"));
    until = Date.now() + left * 1000;
    wasWarned = false;
    if (outdated && !isOutdated) announce(say("outdated"));
    isOutdated ||= outdated;
    if (isOutdated) state.textContent = say("outdated");
    else if (text || isAway) state.textContent = text && kept ? say("saved") : "";
    isAway = false;
    tick();
  }

  function failed(error) {
    const [problem, isFinal] = [whyNot(error, say, "offline"), error.isFinal];
    if (isAway) state.textContent = problem; // an outage is announced once
    else tell(problem);
    isAway = true;
    if (isFinal) isOver = true;
    else later(RETRY);
  }

  function tell(problem) {
    state.textContent = problem;
    announce(problem);
  }

  function changed() {
    [unsaved, isLeaving, isResting, lastWork] = [said(form), false, false, Date.now()];
    later(DEBOUNCE);
    localStorage.setItem(key, unsaved);
  }

  function tick() {
    const left = (until - Date.now()) / 1000;
    clock.textContent = left > 0 ? say("timeLeft", { minutes: Math.ceil(left / 60) }) : say("timeOver");
    clock.classList.toggle("is-short", left < 120);
    if (left < 120 && !wasWarned) {
      wasWarned = true;
      announce(say(left > 0 ? "timeShort" : "timeOver"));
    }
    if (lastWork > lastSent && Date.now() - lastSent > RENEW) later(0);
  }

  const worked = () => (lastWork = Date.now());
  for (const name of ["keydown", "pointerdown", "scroll"]) {
    document.addEventListener(name, worked, { signal, passive: true });
  }
  addEventListener("online", () => unsaved && later(0), { signal });
  addEventListener("beforeunload", () => (isLeaving = true), { signal });
  addEventListener(
    "pagehide",
    () => {
      if (!unsaved || isOver || isResting) return;
      post(address, new URLSearchParams(unsaved), { keepalive: true }).catch(() => {});
    },
    { signal },
  );
  form.addEventListener("input", changed, { signal });
  const ticking = setInterval(tick, 5_000);
  signal.addEventListener("abort", () => clearInterval(ticking));
  sendOthers(key, form);
  tick();

  function rest() {
    isResting = true;
    clearTimeout(timer);
  }

  return {
    changed,
    rest,
    goOn() {
      isResting = false;
      if (unsaved) later(DEBOUNCE);
    },
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
  if (!kept) return false;
  const texts = new URLSearchParams(kept);
  const asked = fieldOf(form, "asked");
  const isOfAnotherMode = asked && texts.has(asked.name) && modeOf(texts.get(asked.name)) !== modeOf(asked.value);
  const isKept = (field) =>
    field.name &&
    field !== asked &&
    !NOT_KEPT.includes(field.name) &&
    !field.closest("[data-unkept]") &&
    !(isOfAnotherMode && OF_ITS_MODE.includes(field.dataset.field));
  fill([...form.elements].filter(isKept), texts);
  return true;
}

/** Work on earlier groups that never reached the server goes there now. */
async function sendOthers(own, form) {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(keptOf(form)) && key !== own);
  for (const key of keys) {
    const text = new URLSearchParams(localStorage.getItem(key));
    text.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    try {
      await post(form.dataset.draft, text);
      localStorage.removeItem(key);
    } catch (error) {
      if (!error.isFinal) return;
    }
  }
}
