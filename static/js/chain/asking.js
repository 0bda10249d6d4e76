// Asking the model's worker, again and again while it has no time, until another question counts.
import { post, Refused, whyNot } from "../posting.js";

export class Problem extends Error {}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** `wait` is told why there is no answer yet; null comes back when `isStale` says that none is wanted. */
export async function ask({ form, say, fields, wait, isStale }) {
  const body = new URLSearchParams({ ...Object.fromEntries(new FormData(form)), ...fields });
  while (!isStale()) {
    let answer;
    try {
      answer = await post(form.dataset.ask, body);
    } catch (error) {
      if (error instanceof Refused && error.isFinal) throw new Problem(whyNot(error, say, "offline"));
      answer = { waiting: whyNot(error, say, "offline"), again: 5 };
    }
    if (isStale()) return null;
    if (answer.problem) throw new Problem(answer.problem);
    if (!answer.waiting) return answer;
    wait(answer.waiting);
    await pause(answer.again);
  }
  return null;
}
