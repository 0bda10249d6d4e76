// Mending a shown answer: its text is copied to the page on which a better one is written.
import { fieldOf } from "./fields.js";

export function startBetter(form, say, changed) {
  const [source, text] = [fieldOf(form, "better-source"), fieldOf(form, "better")];
  const rawOf = (number) => form.querySelector(`#answer-${number} .text`)?.textContent ?? "";
  let [from, copied] = [source.value, rawOf(source.value)];
  source.addEventListener("change", () => {
    // What the labeler typed themselves is overwritten only when they say so.
    const isTyped = text.value.trim() && text.value !== copied;
    if (isTyped && !confirm(say("replaceBetter"))) source.value = from;
    else {
      from = source.value;
      text.value = copied = rawOf(from);
      text.focus();
    }
    changed();
  });
}
