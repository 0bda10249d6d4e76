// What the server gave the scripts to say, filled in; and saying it to a screen reader.

export function wordsOf(form) {
  const words = JSON.parse(form.dataset.words);
  return (name, values = {}) =>
    Object.entries(values).reduce(
      (text, [key, value]) => text.replaceAll(`{${key}}`, value),
      words[name],
    );
}

const list = new Intl.ListFormat(document.documentElement.lang, { type: "conjunction" });
export const together = (names) => list.format(names);

export const [comma, colon] = document.documentElement.lang.startsWith("zh") ? ["，", "："] : [", ", ": "];

export function announce(text) {
  const region = document.getElementById("announce");
  // The same words twice are a change only when the region was empty in between.
  region.textContent = "";
  requestAnimationFrame(() => (region.textContent = text));
}

export const letter = (number) => String.fromCharCode(64 + Number(number));
