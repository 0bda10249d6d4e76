// The bars as a table and as a CSV file: of every version, under the settings and without them.
import { element, shown } from "./tokens.js";

const FIELDS = ["version", "token", "bytes", "share", "share_without_settings"];
const language = document.documentElement.lang;
const figure = (value) => value.toLocaleString(language, { maximumSignificantDigits: 3 });

/** A line for each bar; what all others have together has no token. */
function linesOf(lanes) {
  return lanes.flatMap((lane) => {
    const look = lane.node.hasEnded ? null : lane.node.looks.get(lane.version);
    return [...(look?.bars ?? []), ...(look ? [look.rest] : [])].map((bar) => ({ version: lane.name, ...bar }));
  });
}

const quoted = (value) => `"${String(value).replaceAll('"', '""')}"`;

function csvOf(lines, others) {
  const rows = lines.map(({ version, token, share, plain }) => {
    const isRest = token.id < 0;
    return [quoted(version), quoted(isRest ? others : shown(token).text), token.bytes, share, plain].join();
  });
  return [FIELDS.join(), ...rows, ""].join("\r\n");
}

export function startTable({ details, body, link, say }) {
  let lines = [];
  let address = "";

  function draw() {
    if (!details.open) return;
    const rows = lines.map(({ version, token, share, plain }) => {
      const name = token.id < 0 ? say("othersAll") : shown(token).text;
      const cells = [version, name, figure(share), figure(plain)];
      return element("tr", {}, ...cells.map((text, i) => element("td", { className: i > 1 ? "number" : "" }, text)));
    });
    body.replaceChildren(...rows);
    URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([csvOf(lines, say("othersAll"))], { type: "text/csv" }));
    link.href = address;
  }

  details.addEventListener("toggle", draw);
  return (lanes) => {
    lines = linesOf(lanes);
    draw();
  };
}
