// Posting from a page that stays: the answer, or why there is none.

const JSON_TYPE = { Accept: "application/json" };
export const PATIENCE = 20_000;
const NOT_ALLOWED = 403;

/** The server was reached, and did not do what was asked of it. */
export class Refused extends Error {
  constructor(status) {
    super(String(status));
    this.status = status;
  }

  /** Asking again does not help. */
  get isFinal() {
    return this.status < 500;
  }
}

/** The body of an answer that a refusal gives its reason in (409) is like that of any other. */
export async function post(address, body, { keepalive = false } = {}) {
  const signal = AbortSignal.timeout(PATIENCE);
  const response = await fetch(address, { method: "POST", headers: JSON_TYPE, body, keepalive, signal });
  if (response.redirected) throw new Refused(NOT_ALLOWED); // to the page where one logs in
  if (!response.ok && response.status !== 409) throw new Refused(response.status);
  return response.json();
}

/** A sentence for what `post` threw; `offline` names the one for a network that is away. */
export function whyNot(error, say, offline) {
  if (!(error instanceof Refused)) return say(offline);
  if (error.status === NOT_ALLOWED) return say("loggedOut");
  return say("serverError", { status: error.status });
}
