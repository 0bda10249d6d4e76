// A page that follows a run: what its reader opened stays open, and an open log stays at its end.

const log = () => document.getElementById("log-lines");
const toItsEnd = () => log()?.scrollTo(0, log().scrollHeight);
const isAtItsEnd = () => !log() || log().scrollTop + log().clientHeight >= log().scrollHeight - 2;

let open = [];
let scrolled = null; // null: at its end

document.addEventListener("htmx:beforeSwap", () => {
  open = [...document.querySelectorAll("details[id][open]")].map((each) => each.id);
  scrolled = isAtItsEnd() ? null : log().scrollTop;
});
document.addEventListener("htmx:afterSettle", () => {
  open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  if (scrolled === null) toItsEnd();
  else log()?.scrollTo(0, scrolled);
});
document.addEventListener("toggle", ({ target }) => { if (target.id === "log" && target.open && scrolled === null) toItsEnd(); }, true);
