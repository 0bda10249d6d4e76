// An answer that is being written is kept as a ranking's draft is: in the browser and on the server.
import { restore, startDrafts } from "./desk/drafts.js";
import { wordsOf } from "./desk/words.js";
import { startSending } from "./sending.js";
import "./guidelines.js";
import "./written.js";

const form = document.getElementById("write");

if (form) {
  const text = form.elements.text;
  const typed = text.value; // it may have been typed before this script had come
  const isRestored = restore(form) || typed !== text.defaultValue;
  if (typed !== text.defaultValue) text.value = typed;
  const say = wordsOf(form);
  const drafts = startDrafts(form, say, new AbortController().signal);
  if (isRestored) drafts.changed();

  const [button, status] = [form.querySelector("#submit"), form.querySelector("#status")];
  const send = startSending({
    form,
    button,
    say,
    drafts,
    stored({ next }) {
      drafts.finish();
      location.assign(next);
    },
    refuse(problem) {
      status.hidden = false;
      status.textContent = problem;
    },
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    status.hidden = true;
    send();
  });
}
