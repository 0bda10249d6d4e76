// Every text of the page as it is written, with its markup: one switch, on each of the texts, as
// answers are compared. It is remembered for each account.

const root = document.documentElement;
const switches = (page = document) => [...page.querySelectorAll(".as-written")];
const keptAs = (button) => `as-written ${button.dataset.user}`;

/** Shows the switches of a page, or of a part that has come to it, and how they stand. */
export function startWritten(page = document) {
  const bare = page.querySelectorAll(".answer .head:not(:has(.as-written))");
  for (const head of bare) head.append(namedAfter(head.querySelector("h2")));
  for (const button of switches(page)) {
    button.hidden = false;
    if (localStorage.getItem(keptAs(button)) === "on") root.dataset.written = "on";
  }
  show();
}

/** An answer's switch: the question's, with the answer's name for who does not see where it stands. */
function namedAfter(heading) {
  const button = document.querySelector(".prompt .as-written").cloneNode(true);
  const name = document.createElement("span");
  name.className = "visually-hidden";
  name.textContent = ` – ${heading.lastChild.textContent}`;
  button.append(name);
  return button;
}

function show() {
  for (const button of switches()) button.setAttribute("aria-pressed", String("written" in root.dataset));
}

/** What was pressed, or what is seen now, stays where it is while the texts around it change. */
export function switchWritten(pressed = null) {
  const [button] = pressed ? [pressed] : switches();
  if (!button) return false;
  const still = pressed ?? document.elementFromPoint(innerWidth / 2, innerHeight / 2);
  const top = still.getBoundingClientRect().top;
  if ("written" in root.dataset) delete root.dataset.written;
  else root.dataset.written = "on";
  localStorage.setItem(keptAs(button), root.dataset.written ?? "off");
  show();
  scrollBy({ top: still.getBoundingClientRect().top - top, behavior: "instant" });
  return true;
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest(".as-written");
  if (button) switchWritten(button);
});
startWritten();
