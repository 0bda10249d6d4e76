// Submitting without waiting: what comes next is in the browser already. The first desk ahead is
// fetched, each later one comes with the answer to a submit: one request a label.

const JSON_TYPE = { Accept: "application/json" };
const PATIENCE = 20_000;
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
  let isSending = false;

  // Enter submits the judgment wherever it is pressed, but where the reason of a skip is chosen.
  form.querySelector("#skip")?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.type !== "radio" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    form.requestSubmit(event.currentTarget.querySelector("button"));
  });

  if (address) ahead ??= fetchAhead(address, signal).catch(() => null);

  form.addEventListener("submit", async (event) => {
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
    if (isSending) return;
    isSending = true;
    button.setAttribute("aria-busy", "true");
    try {
      await send();
    } catch {
      judged.refuse(say("notSent"));
    } finally {
      isSending = false;
      button.removeAttribute("aria-busy");
    }
  });

  async function send() {
    const body = new URLSearchParams(new FormData(form));
    const signal = AbortSignal.timeout(PATIENCE); // sent twice, it is stored once
    const response = await fetch(location.pathname, { method: "POST", headers: JSON_TYPE, body, signal });
    if (response.redirected) return location.reload();
    const answer = await response.json();
    if (response.status === 409) return judged.refuse(answer.problem);
    if (!response.ok) throw new Error(String(response.status));
    drafts.finish();
    const desk = await ahead;
    if (desk?.elements.token.value !== answer.next) return location.reload();
    ahead = answer.ahead ? deskIn(answer.ahead) : null;
    next(desk);
  }
}
