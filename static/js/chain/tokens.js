// Tokens as they are: a token may hold part of a character, or nothing that one would see.

const strict = new TextDecoder("utf-8", { fatal: true });
const SEEN = { " ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍" };
const HIDDEN = /[\p{C}\p{Z}]/gu;

export const bytesOf = (token) => Uint8Array.from(token.bytes.match(/../g) ?? [], (two) => parseInt(two, 16));

const joined = (tokens) => Uint8Array.from(tokens.flatMap((token) => [...bytesOf(token)]));

function decoded(tokens) {
  try {
    return strict.decode(joined(tokens));
  } catch {
    return null; // no whole characters
  }
}

/** What cannot be seen has a sign; what has none, its number. */
const visible = (text) =>
  text.replace(HIDDEN, (sign) => SEEN[sign] ?? `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);

const hex = (token) => token.bytes.toUpperCase().match(/../g)?.join(" ") ?? "∅";

/** One token: its name if it is special, its text, or its bytes where they are no whole characters. */
export function shown(token) {
  if (token.special) return { text: decoded([token]) ?? hex(token), kind: token.ends ? "end" : "special" };
  const text = token.bytes ? decoded([token]) : null;
  return text === null ? { text: hex(token), kind: "bytes" } : { text: visible(text), kind: "text" };
}


/** Runs of tokens that are whole characters only together; every other token is a run of its own. */
export function runs(tokens) {
  const found = [];
  for (let i = 0; i < tokens.length; i++) {
    let end = i + 1;
    if (shown(tokens[i]).kind === "bytes") {
      while (end < tokens.length && end - i < 4 && decoded(tokens.slice(i, end)) === null) end++;
      if (decoded(tokens.slice(i, end)) === null) end = i + 1;
    }
    found.push({ start: i, tokens: tokens.slice(i, end), whole: end > i + 1 ? visible(decoded(tokens.slice(i, end))) : "" });
    i = end - 1;
  }
  return found;
}

/** As one reads it, on one line; bytes that are no whole characters stand in brackets. */
export const textOf = (tokens) =>
  runs(tokens.filter((token) => !token.special))
    .map((run) => run.whole || (decoded(run.tokens) ?? `[${hex(run.tokens[0])}]`))
    .join("")
    .replaceAll("\n", SEEN["\n"]);

export function element(name, given = {}, ...children) {
  const { dataset = {}, ...properties } = given;
  const made = Object.assign(document.createElement(name), properties);
  Object.assign(made.dataset, dataset);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function chip(token, name = "span", given = {}) {
  const { text, kind } = shown(token);
  return element(name, { className: `token ${kind}`, ...given }, element("bdi", {}, text));
}
