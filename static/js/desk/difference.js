// What differs between two texts, word by word: the longest common subsequence of their words.

const MOST_WORDS = 3000;
const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });

/** One more than are compared at most, however long the text is. */
function wordsOf(text) {
  const words = [];
  for (const { segment } of segmenter.segment(text)) {
    if (words.push(segment) > MOST_WORDS) break;
  }
  return words;
}

export const isTooLong = (text) => wordsOf(text).length > MOST_WORDS;

/** Of the beginnings, if they are too long; parts in reading order: { kind: "span" | "del" | "ins", text }. */
export function differenceOf(one, other) {
  const [a, b] = [one, other].map((text) => wordsOf(text).slice(0, MOST_WORDS));
  const width = b.length + 1;
  const common = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const parts = [];
  const add = (kind, text) => {
    if (parts.at(-1)?.kind === kind) parts.at(-1).text += text;
    else parts.push({ kind, text });
  };
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add("span", a[i]);
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      add("del", a[i++]);
    } else add("ins", b[j++]);
  }
  return parts;
}
