// Marking a passage: selected with mouse, finger or keyboard, kept by its place in the answer as it
// is stored. The browser paints the marks (CSS Custom Highlight API): no element is added for them.
import { fieldOf } from "./fields.js";
import { codePointsBefore, passageIn, placeOf, rangeOf } from "./passage.js";

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
      const text = answer.querySelector(".text");
      for (const { label, start, end, unplaced } of marks) {
        if (unplaced) continue;
        const [from, to] = [start, end].map((place) => placeOf(text.textContent, place));
        ranges[label].push(rangeOf(text, from, to));
      }
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
    row.append(label, " ", quote, " ", ...(mark.unplaced ? [unplaced(), " "] : []), remove);
    return row;
  }

  function unplaced() {
    const note = document.createElement("small");
    note.textContent = say("highlightUnplaced");
    return note;
  }

  function follow() {
    const selection = getSelection();
    const range = selection.rangeCount && !selection.isCollapsed ? selection.getRangeAt(0) : null;
    const text = range && closest(range.commonAncestorContainer, ".answer .text");
    if (!text || !form.contains(text) || !selection.toString().trim()) {
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
      write(answer, [...read(answer), { ...stored(answer, selected), label }]);
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

/** What is selected, with all of the words that it begins and ends in. */
function stored(answer, selected) {
  const element = answer.querySelector(".text");
  const text = element.textContent;
  const read = passageIn(element, selected.start, selected.end);
  const words = segmenter.segment(text);
  const [first, last] = [words.containing(read.start), words.containing(read.end - 1)];
  const { start, end, quote } = passageIn(element, first.index, last.index + last.segment.length);
  return {
    start: codePointsBefore(text, start),
    end: codePointsBefore(text, end),
    quote: Array.from(quote).slice(0, LONGEST_QUOTE).join(""),
  };
}
