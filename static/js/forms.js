// Forms that the browser itself sends: each takes one submit, and what was typed outlives a login.
import { fill } from "./filling.js";

const KEPT = "laoshi-typed";
const AGAIN_AFTER = 20_000; // the browser may have been stopped before an answer came
const NOT_TYPED = ["hidden", "password", "file", "submit", "button", "reset"];
const sent = new Map();

function release(form) {
  clearTimeout(sent.get(form)?.timer);
  sent.get(form)?.button?.removeAttribute("aria-busy");
  sent.delete(form);
}

// On the document, so that a form's own script has had its turn: what it sends is none of this.
document.addEventListener("submit", (event) => {
  const { target: form, submitter: button } = event;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (sent.has(form)) return event.preventDefault();
  button?.setAttribute("aria-busy", "true");
  sent.set(form, { button, timer: setTimeout(release, AGAIN_AFTER, form) });
  if (!form.matches("[data-asks-again]")) keep(form);
});

// Back on a page that the browser has kept as it was.
addEventListener("pageshow", () => [...sent.keys()].forEach(release));

/** What a person typed; where a form keeps its own work, what it leaves to this. */
function typedIn(form) {
  const isOurs = (field) => !("user" in form.dataset) || field.closest("[data-unkept]");
  return [...form.elements].filter((field) => field.name && !NOT_TYPED.includes(field.type) && isOurs(field));
}

function keep(form) {
  const names = new Set(typedIn(form).map((field) => field.name));
  if (!names.size) return;
  const said = [...new FormData(form)].filter(([name]) => names.has(name));
  const { user } = document.body.dataset;
  const page = location.pathname + location.search;
  const kept = { user, page, action: form.action, names: [...names], said: new URLSearchParams(said).toString() };
  sessionStorage.setItem(KEPT, JSON.stringify(kept));
}

function putBack({ action, names, said }) {
  const isIt = (form) => form.action === action && names.every((name) => form.elements[name]);
  const form = [...document.forms].find(isIt);
  if (!form) return;
  const fields = typedIn(form);
  const texts = new URLSearchParams(said);
  fill(fields, texts);
  for (const field of fields) {
    if (texts.get(field.name)) field.closest("details:not([open])")?.setAttribute("open", "");
  }
  const note = document.createElement("li");
  note.className = "note warning";
  note.textContent = document.body.dataset.typedBack;
  const list = document.createElement("ul");
  list.className = "messages";
  list.role = "status";
  list.append(note);
  document.querySelector("main").prepend(list);
}

// A page that asks for a login, or to try again, has stored nothing. Only after such a one is what
// was typed put back, and only for whoever typed it.
const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
if (kept && document.querySelector("[data-asks-again]")) {
  sessionStorage.setItem(KEPT, JSON.stringify({ ...kept, isUnsent: true }));
} else if (kept) {
  sessionStorage.removeItem(KEPT);
  const isHere = kept.page === location.pathname + location.search && kept.user === document.body.dataset.user;
  if (kept.isUnsent && isHere) putBack(kept);
}
