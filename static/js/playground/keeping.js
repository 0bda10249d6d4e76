// What of an exchange is stored: the page says what became of it, and where it is.
import { element } from "../chain/tokens.js";
import { post, whyNot } from "../posting.js";

export async function keep(exchange, fields, records = []) {
  const { form, say } = exchange;
  const body = new URLSearchParams({ ...exchange.fields, ...fields });
  for (const record of records) body.append("record", record);
  let answer;
  try {
    answer = await post(form.dataset.keep, body);
  } catch (error) {
    answer = { problem: whyNot(error, say, "notKept") };
  }
  const note = exchange.element.querySelector(".kept");
  note.hidden = false;
  note.className = `note kept ${answer.problem ? "error" : "success"}`;
  note.replaceChildren(answer.problem ?? `${answer.said} `);
  if (answer.address) note.append(element("a", { href: answer.address }, say("open")));
}
