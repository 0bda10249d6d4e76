// Reading well: the size of the text, and what differs between two answers.
import { differenceOf, isTooLong } from "./difference.js";
import { letter } from "./words.js";

const SIZES = ["small", "normal", "large", "larger"];
const root = document.documentElement;
const setSize = (size) => (root.dataset.size = size);

setSize(localStorage.getItem("text-size") ?? "normal");
for (const button of document.querySelectorAll("[data-size-step]")) {
  button.addEventListener("click", () => {
    const at = SIZES.indexOf(root.dataset.size) + Number(button.dataset.sizeStep);
    setSize(SIZES[Math.max(0, Math.min(SIZES.length - 1, at))]);
    localStorage.setItem("text-size", root.dataset.size);
  });
}

const dialog = document.getElementById("difference");
const [from, to] = ["from", "to"].map((name) => document.getElementById(`difference-${name}`));
const shown = dialog.querySelector(".difference-text");

// Compared is what is trained on: the text as it is written, with its markup.
const textOf = (select) => document.querySelector(`#answer-${select.value} .text`).textContent;
const BREAK = "↵\n"; // a line break that only one of the texts has would not be seen

function show() {
  const texts = [textOf(from), textOf(to)];
  dialog.querySelector(".is-cut").hidden = !texts.some(isTooLong);
  shown.replaceChildren(
    ...differenceOf(...texts).map(({ kind, text }) => {
      const part = document.createElement(kind);
      part.textContent = kind === "span" ? text : text.replaceAll("\n", BREAK);
      return part;
    }),
  );
  shown.dir = document.querySelector(`#answer-${from.value} .text`).dir;
}

document.getElementById("difference-button").addEventListener("click", () => {
  const count = document.querySelectorAll(".answer").length;
  for (const select of [from, to]) {
    const options = Array.from({ length: count }, (_, i) => new Option(letter(i + 1), i + 1));
    select.replaceChildren(...options);
  }
  to.value = 2;
  show();
  dialog.showModal();
});
for (const select of [from, to]) select.addEventListener("change", show);
for (const part of document.querySelectorAll(".reading-tools, .mark-hint")) part.hidden = false;
