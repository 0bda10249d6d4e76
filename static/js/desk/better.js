// Mending a shown answer: its text is copied to the page on which a better one is written.

export function startBetter(form, changed) {
  const [source, text] = [form.elements.better_source, form.elements.better];
  const rawOf = (number) => form.querySelector(`#answer-${number} .raw`)?.value ?? "";
  let copied = rawOf(source.value);
  source.addEventListener("change", () => {
    // What the labeler typed themselves is never overwritten.
    if (text.value.trim() && text.value !== copied) return;
    text.value = copied = rawOf(source.value);
    text.focus();
    changed();
  });
}
