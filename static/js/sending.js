// Sending a form without leaving its page: what was said stays in it while the network is away.
import { post, whyNot } from "./posting.js";

/** One sending at a time: `stored` gets the answer, `refuse` a sentence why there is none. */
export function startSending({ form, button, say, drafts, stored, refuse }) {
  async function ask() {
    try {
      // Sent twice, it is stored once.
      return await post(location.pathname, new URLSearchParams(new FormData(form)));
    } catch (error) {
      return { problem: whyNot(error, say, "notSent") };
    }
  }

  /** What is said while it is under way would be neither sent nor kept. */
  function wait(isWaiting) {
    form.inert = isWaiting;
    button.setAttribute("aria-busy", String(isWaiting));
  }

  return async () => {
    if (form.inert) return;
    const focused = document.activeElement;
    drafts.rest();
    wait(true);
    const answer = await ask();
    if (!answer.problem) return stored(answer);
    wait(false);
    focused.focus({ preventScroll: true });
    refuse(answer.problem);
    drafts.goOn();
  };
}
