// Marking a passage: selected with mouse, finger or keyboard, kept as offsets in the answer's text.
// The browser paints the marks (CSS Custom Highlight API): the answer's own markup is not touched.
import { fieldOf } from "./fields.js";

const LABELS = ["error", "unsupported", "well_put"];
const WORDS = { error: "highlightError", unsupported: "highlightUnsupported", well_put: "highlightWellPut" };
const LONGEST_QUOTE = 500;
const bar = document.getElementById("mark-bar");

export function startHighlights(form, say, changed, signal) {
  if (!bar) return;
  const answers = [...form.querySelectorAll(".answer")];
  const read = (answer) => JSON.parse(fieldOf(answer, "highlights").value || "[]");
  let selected = null;

  function write(answer, marks) {
    fieldOf(answer, "highlights").value = marks.length ? JSON.stringify(marks) : "";
    show();
    changed();
  }

  function show() {
    const ranges = Object.fromEntries(LABELS.map((label) => [label, []]));
    for (const answer of answers) {
      const marks = read(answer);
      for (const mark of marks) ranges[mark.label].push(rangeOf(answer, mark));
      const list = answer.querySelector(".highlights");
      list.hidden = marks.length === 0;
      list.replaceChildren(...marks.map((mark, i) => item(answer, mark, i)));
    }
    if (!globalThis.CSS?.highlights) return;
    for (const label of LABELS) CSS.highlights.set(label.replace("_", "-"), new Highlight(...ranges[label]));
  }

  function item(answer, mark, index) {
    const row = document.createElement("li");
    row.className = `mark ${mark.label}`;
    const label = document.createElement("b");
    label.textContent = say(WORDS[mark.label]);
    const quote = document.createElement("span");
    quote.dir = "auto";
    quote.textContent = mark.quote;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "link";
    remove.textContent = "×";
    remove.setAttribute("aria-label", say("removeHighlight", { quote: mark.quote }));
    remove.addEventListener("click", () => {
      write(answer, read(answer).toSpliced(index, 1));
      answer.focus({ preventScroll: true });
    });
    row.append(label, " ", quote, " ", remove);
    return row;
  }

  function follow() {
    const selection = getSelection();
    const range = selection.rangeCount && !selection.isCollapsed ? selection.getRangeAt(0) : null;
    const text = range && closest(range.commonAncestorContainer, ".answer .text");
    if (!text || !form.contains(text) || !range.toString().trim()) {
      if (!bar.contains(document.activeElement)) bar.hidden = true;
      return;
    }
    const before = document.createRange();
    before.setStart(text, 0);
    before.setEnd(range.startContainer, range.startOffset);
    const start = before.toString().length;
    selected = { answer: text.closest(".answer"), start, end: start + range.toString().length };
    const box = range.getBoundingClientRect();
    bar.hidden = false;
    const left = Math.min(box.left, innerWidth - bar.offsetWidth - 8);
    bar.style.transform = `translate(${Math.max(8, left)}px, ${Math.min(box.bottom + 6, innerHeight - 48)}px)`;
  }

  document.addEventListener("selectionchange", follow, { signal });
  bar.addEventListener("pointerdown", (event) => event.preventDefault(), { signal });
  bar.addEventListener(
    "click",
    (event) => {
      const label = event.target.closest("[data-label]")?.dataset.label;
      if (!label || !selected) return;
      const { answer } = selected;
      const text = answer.querySelector(".text").textContent;
      const { start, end } = wholeWords(text, selected.start, selected.end);
      const quote = text.slice(start, end).slice(0, LONGEST_QUOTE);
      write(answer, [...read(answer), { start, end, quote, label }]);
      // Hidden, the bar would drop the focus of whoever marks by keyboard.
      if (bar.contains(document.activeElement)) answer.focus({ preventScroll: true });
      bar.hidden = true;
      getSelection().removeAllRanges();
    },
    { signal },
  );
  signal.addEventListener("abort", () => {
    bar.hidden = true;
    for (const label of LABELS) globalThis.CSS?.highlights?.delete(label.replace("_", "-"));
  });
  show();
}

const closest = (node, selector) =>
  (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement).closest(selector);

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });

/** The passage without space at its ends, and with all of the words that it begins and ends in. */
function wholeWords(text, start, end) {
  while (/\s/.test(text[start])) start++;
  while (/\s/.test(text[end - 1])) end--;
  const words = segmenter.segment(text);
  const [first, last] = [words.containing(start), words.containing(end - 1)];
  return { start: first.index, end: last.index + last.segment.length };
}

/** The passage as a range over the answer's text nodes. */
function rangeOf(answer, { start, end }) {
  const range = document.createRange();
  const nodes = document.createTreeWalker(answer.querySelector(".text"), NodeFilter.SHOW_TEXT);
  let at = 0;
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    const next = at + node.length;
    if (at <= start && start < next) range.setStart(node, start - at);
    if (at < end && end <= next) {
      range.setEnd(node, end - at);
      break;
    }
    at = next;
  }
  return range;
}
