// Sending a form without leaving its page: what was said stays in it while the network is away.

const JSON_TYPE = { Accept: "application/json" };
const PATIENCE = 20_000;

/** One sending at a time: `stored` gets the answer, `refuse` a sentence why there is none. */
export function startSending({ form, button, say, stored, refuse }) {
  let isSending = false;

  async function send() {
    const body = new URLSearchParams(new FormData(form));
    const signal = AbortSignal.timeout(PATIENCE); // sent twice, it is stored once
    const response = await fetch(location.pathname, { method: "POST", headers: JSON_TYPE, body, signal });
    if (response.redirected) return location.reload();
    const answer = await response.json();
    if (response.status === 409) return refuse(answer.problem);
    if (!response.ok) throw new Error(String(response.status));
    return stored(answer);
  }

  return async () => {
    if (isSending) return;
    isSending = true;
    button.setAttribute("aria-busy", "true");
    try {
      await send();
    } catch {
      refuse(say("notSent"));
    } finally {
      isSending = false;
      button.removeAttribute("aria-busy");
    }
  };
}
