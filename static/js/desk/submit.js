// Submitting without waiting: what comes next is in the browser already. The first desk ahead is
// fetched, each later one comes with the answer to a submit: one request a label.

import { startSending } from "../sending.js";

let ahead = null;

function deskIn(html) {
  return new DOMParser().parseFromString(html, "text/html").getElementById("desk");
}

async function fetchAhead(address, signal) {
  const response = await fetch(address, { signal, headers: { Accept: "text/html" } });
  return response.status === 200 && !response.redirected ? deskIn(await response.text()) : null;
}

export function startSubmit({ form, say, judged, drafts, next, signal }) {
  const button = form.querySelector("#submit");
  const address = form.dataset.ahead;
  form.noValidate = true;
  const send = startSending({ form, button, say, stored, refuse: judged.refuse });

  // Enter submits the judgment wherever it is pressed, but where the reason of a skip is chosen.
  form.querySelector("#skip")?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.type !== "radio" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    form.requestSubmit(event.currentTarget.querySelector("button"));
  });

  if (address) ahead ??= fetchAhead(address, signal).catch(() => null);

  form.addEventListener("submit", (event) => {
    if (event.submitter?.hasAttribute("data-plain")) {
      drafts.finish();
      return;
    }
    if (judged.lead()) {
      event.preventDefault();
      return;
    }
    if (!address) return;
    event.preventDefault();
    send();
  });

  async function stored(answer) {
    drafts.finish();
    const desk = await ahead;
    if (desk?.elements.token.value !== answer.next) return location.reload();
    ahead = answer.ahead ? deskIn(answer.ahead) : null;
    next(desk);
  }
}
