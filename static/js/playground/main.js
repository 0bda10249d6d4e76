// The playground: a conversation with one version, or with two of which one does not know which is which.
import { announce, wordsOf } from "../desk/words.js";
import { Problem } from "../chain/asking.js";
import { Exchange } from "./exchange.js";

const by = (id) => document.getElementById(id);
const form = by("playground");
const say = wordsOf(form);
const [said, send, stop, list, state] = ["said", "send", "stop", "exchanges", "state"].map(by);
const BEFORE_SAID = 1000; // milliseconds that one waits without being told why

let exchanges = [];
let drawn = 0; // seeds that the conversation has used up: no two answers draw by the same chance
let waiting = null;

function wait(text) {
  clearTimeout(waiting);
  waiting = null;
  if (!text) return void (state.hidden = true);
  waiting = setTimeout(() => tell(text), state.hidden ? BEFORE_SAID : 0);
}

function tell(text, kind = "") {
  state.hidden = false;
  state.className = `note ${kind}`;
  state.textContent = text;
}

/** What was said so far, with the answers that one goes on with; not what nothing was answered to. */
const history = () =>
  exchanges
    .filter((exchange) => exchange.chosen.text.trim())
    .flatMap((exchange) => [
      { role: "user", content: exchange.said },
      { role: "assistant", content: exchange.chosen.text },
    ]);

const isWriting = () => exchanges.some((exchange) => exchange.isWriting);

function show() {
  stop.disabled = !isWriting();
  send.setAttribute("aria-disabled", String(isWriting()));
  exchanges.forEach((exchange, i) => exchange.showActions(i === exchanges.length - 1));
}

/** The settings as they are now, which hold for all of an exchange. */
function settings() {
  const [first, second] = ["version-1", "version-2"].map((id) => by(id));
  const names = new Map([first, second].map((select) => [select.value, select.selectedOptions[0].text]));
  const versions = [first, second].map((select) => select.value).filter(Boolean);
  const isBlind = versions.length > 1;
  const count = isBlind ? 2 : Number(by("answers").value);
  const fields = Object.fromEntries(new FormData(form));
  fields.seed = (Number(fields.seed) + drawn) % 2 ** 31;
  drawn += isBlind ? 1 : count;
  return { versions, names, count, scores: Boolean(by("scores")?.checked), fields };
}

async function ask(text, messages) {
  const exchange = new Exchange({ form, say, wait, show, said: text, messages, ...settings(), again });
  exchanges.push(exchange);
  list.append(exchange.element);
  send.scrollIntoView({ block: "nearest" });
  await follow(exchange.write());
}

/** Until all of its answers are there or were stopped; then they are read out, once. */
async function follow(written) {
  show();
  try {
    const spoken = await written;
    wait("");
    if (spoken) announce(spoken);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    wait("");
    tell(error.message, "error");
  }
  show();
}

/** The newest question, once more, by the seeds that come next. */
function again(exchange) {
  if (isWriting() || exchange !== exchanges.at(-1)) return;
  exchanges.pop();
  exchange.element.remove();
  ask(exchange.said, exchange.messages);
  said.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (isWriting() || !form.reportValidity()) return;
  const text = said.value;
  if (!text.trim()) return void said.focus();
  said.value = "";
  ask(text, [...history(), { role: "user", content: text }]);
});

said.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
});

function stopAll() {
  for (const exchange of exchanges) exchange.stop();
}
stop.addEventListener("click", () => {
  stopAll();
  said.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing && isWriting()) stopAll();
});
by("anew").addEventListener("click", () => {
  stopAll();
  exchanges = [];
  drawn = 0;
  list.replaceChildren();
  wait("");
  show();
  said.focus();
});
form.elements.seed.addEventListener("change", () => (drawn = 0));
form.addEventListener("resume", ({ detail }) => follow(detail()));
show();
