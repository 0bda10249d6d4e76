// A text on the page and as it is stored. The server writes each character of it once and in order,
// what is only markup too, in spans that the style hides: an element's textContent is the text.
// Here places are counted as strings are (UTF-16); stored are code points, as the server counts.

const isSeen = (node) => node.parentElement.checkVisibility();

function* piecesOf(element) {
  const nodes = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let start = 0;
  for (let node = nodes.nextNode(); node; node = nodes.nextNode()) {
    yield { node, start, end: start + node.length };
    start += node.length;
  }
}

/** What is read of the text from `start` to `end`, and from where to where that stands. */
export function passageIn(element, start, end) {
  const passage = { start, end, quote: "" };
  for (const piece of piecesOf(element)) {
    if (piece.start >= end) break;
    const [from, to] = [Math.max(start, piece.start), Math.min(end, piece.end)];
    if (from >= to) continue;
    const text = readOf(piece.node, from - piece.start, to - piece.start);
    if (!text.trim()) {
      if (passage.quote) passage.quote += text;
      continue;
    }
    if (!passage.quote) passage.start = from + text.length - text.trimStart().length;
    passage.quote += passage.quote ? text : text.trimStart();
    passage.end = from + text.trimEnd().length;
  }
  return { ...passage, quote: passage.quote.trimEnd() };
}

/** What is hidden is read as the end of a line, if there is one in it. */
function readOf(node, from, to) {
  const text = node.data.slice(from, to);
  if (isSeen(node)) return text;
  return text.includes("\n") ? "\n" : "";
}

/** How a text begins, in `length` characters. */
export function firstWords(element, length) {
  let text = "";
  for (const { node } of piecesOf(element)) {
    if (text.length >= length) break;
    text = (text + readOf(node, 0, 2 * length)).trimStart();
  }
  return text.slice(0, length);
}

export function rangeOf(element, start, end) {
  const range = document.createRange();
  for (const piece of piecesOf(element)) {
    if (piece.start <= start && start < piece.end) range.setStart(piece.node, start - piece.start);
    if (piece.start < end && end <= piece.end) {
      range.setEnd(piece.node, end - piece.start);
      break;
    }
  }
  return range;
}

const PAIR = /[\ud800-\udbff][\udc00-\udfff]/g;

export const codePointsBefore = (text, place) => place - (text.slice(0, place).match(PAIR)?.length ?? 0);

export function placeOf(text, codePoints) {
  let place = 0;
  for (let count = 0; count < codePoints && place < text.length; count++) {
    place += text.codePointAt(place) > 0xffff ? 2 : 1;
  }
  return place;
}
