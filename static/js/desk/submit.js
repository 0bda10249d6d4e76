// Submitting without waiting: the next group was fetched while this one was judged.

const JSON_TYPE = { Accept: "application/json" };

export function startSubmit({ form, say, judged, drafts, next, signal }) {
  const button = form.querySelector("#submit");
  form.noValidate = true;
  let ahead = null;
  let isSending = false;

  const fetchAhead = async () => {
    const response = await fetch(form.dataset.ahead, { signal, headers: { Accept: "text/html" } });
    if (response.status !== 200 || response.redirected) return null;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    return page.getElementById("desk");
  };
  if (form.dataset.ahead) ahead = fetchAhead().catch(() => null);

  form.addEventListener("submit", async (event) => {
    if (event.submitter?.hasAttribute("data-plain")) {
      drafts.finish();
      return;
    }
    if (judged.lead()) {
      event.preventDefault();
      return;
    }
    if (!form.dataset.ahead) return;
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
    const response = await fetch(location.pathname, { method: "POST", headers: JSON_TYPE, body });
    if (response.redirected) return location.reload();
    const answer = await response.json();
    if (response.status === 409) return judged.refuse(answer.problem);
    if (!response.ok) throw new Error(String(response.status));
    drafts.finish();
    const desk = await ahead;
    if (answer.next && desk?.elements.token.value === answer.next) next(desk, answer.today);
    else location.reload();
  }
}
