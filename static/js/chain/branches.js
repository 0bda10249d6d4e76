// The tree of all that was written, to return to.
import { element, textOf } from "./tokens.js";

function branch(child, lanes, say, goTo) {
  const nodes = child.stretch;
  const last = nodes.at(-1);
  const at = lanes.filter((lane) => nodes.includes(lane.node));
  const text = textOf(nodes.map((node) => node.token)) || last.token.bytes.toUpperCase();
  const button = element("button", { type: "button", className: "branch" }, element("bdi", {}, text));
  if (last.hasEnded) button.append(element("span", { className: "badge" }, say("end")));
  if (at.length) {
    button.setAttribute("aria-current", "true");
    button.append(element("span", { className: "quiet" }, lanes.length > 1 ? at.map((lane) => lane.name).join(", ") : say("here")));
  }
  button.addEventListener("click", () => goTo(last));
  const item = element("li", {}, button);
  if (last.children.size) item.append(below(last, lanes, say, goTo));
  return item;
}

const below = (node, lanes, say, goTo) =>
  element("ul", {}, ...[...node.children.values()].map((child) => branch(child, lanes, say, goTo)));

export function showBranches({ root, lanes, list, say, goTo }) {
  list.replaceChildren(...below(root, lanes, say, goTo).children);
}
