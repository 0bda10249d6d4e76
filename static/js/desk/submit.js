// Submitting without waiting: what comes next is in the browser already. The first desk ahead is
// fetched, each later one comes with the answer to a submit: one request a label.

import { PATIENCE } from "../posting.js";
import { startSending } from "../sending.js";

let ahead = null;

function deskIn(html) {
  return new DOMParser().parseFromString(html, "text/html").getElementById("desk");
}

async function fetchAhead(address, stopping) {
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(PATIENCE)]);
  const response = await fetch(address, { signal, headers: { Accept: "text/html" } });
  return response.status === 200 && !response.redirected ? deskIn(await response.text()) : null;
}

/** The page as whoever comes to rank gets it, without what led here: undone is past. */
const anew = () => location.replace(location.pathname);

/** A skip without a reason, a flag without a word: the panel says so and stays as it is. */
function isHalfFilledIn(panel) {
  const field = panel?.querySelector("textarea, input");
  const isFilled = field?.matches("textarea") ? field.value.trim() : panel?.querySelector(":checked");
  if (!panel || isFilled) return false;
  panel.querySelector(".missing").hidden = false;
  field.focus();
  return true;
}

export function startSubmit({ form, say, judged, drafts, next, signal }) {
  const button = form.querySelector("#submit");
  const address = form.dataset.ahead;
  form.noValidate = true;
  const send = startSending({ form, button, say, drafts, stored, refuse: judged.refuse });

  // Enter submits the judgment wherever it is pressed, but where the reason of a skip is chosen.
  form.querySelector("#skip")?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.type !== "radio" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    form.requestSubmit(event.currentTarget.querySelector("button"));
  });

  if (address) ahead ??= fetchAhead(address, signal).catch(() => null);

  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("data-plain")) {
      if (isHalfFilledIn(event.submitter.closest(".aside-action"))) return event.preventDefault();
      drafts.rest(); // it may not get there: the page that follows settles what was not sent
      return;
    }
    if (judged.lead()) {
      event.preventDefault();
      return;
    }
    if (!address) {
      drafts.rest();
      return;
    }
    event.preventDefault();
    send();
  });

  async function stored(answer) {
    drafts.finish();
    const desk = await ahead;
    if (desk?.elements.token.value !== answer.next) return anew();
    ahead = answer.ahead ? deskIn(answer.ahead) : null;
    try {
      next(desk, answer.expected);
    } catch (error) {
      console.error(error); // it is stored: the next desk comes as a page of its own
      anew();
    }
  }
}
