// What was written so far, as a tree: each node is a text, each child one token more.

export class Node {
  constructor(token = null, parent = null) {
    this.token = token;
    this.parent = parent;
    this.children = new Map();
    this.looks = new Map(); // by version, under the settings of now
    this.divergences = new Map(); // by version, whatever the settings
    this.scores = new Map(); // by version
  }

  get path() {
    const nodes = [];
    for (let node = this; node.parent; node = node.parent) nodes.unshift(node);
    return nodes;
  }

  get tokens() {
    return this.path.map((node) => node.token);
  }

  get hasEnded() {
    return Boolean(this.token?.ends);
  }

  child(token) {
    if (!this.children.has(token.id)) this.children.set(token.id, new Node(token, this));
    return this.children.get(token.id);
  }

  /** The node itself and all below it. */
  *all() {
    yield this;
    for (const child of this.children.values()) yield* child.all();
  }

  /** From this child on, the nodes up to where it branches or ends. */
  get stretch() {
    const nodes = [this];
    for (let node = this; node.children.size === 1; ) {
      [node] = node.children.values();
      nodes.push(node);
    }
    return nodes;
  }
}

/** How many nodes all of these texts begin with. */
export function commonLength(nodes) {
  const [first, ...others] = nodes.map((node) => node.path);
  let length = 0;
  while (first[length] && others.every((path) => path[length] === first[length])) length++;
  return length;
}
