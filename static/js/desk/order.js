// The order under way: places, best first, each with the numbers of the answers that share it.
// Nothing here knows of the page.

export class Order {
  #steps = [];

  constructor(count, ranks, changed) {
    this.count = count;
    this.changed = changed;
    const used = [...new Set(ranks.filter(Boolean))].sort((a, b) => a - b);
    this.places = used.map((rank) => ranks.flatMap((r, i) => (r === rank ? [i + 1] : [])));
  }

  get unplaced() {
    const placed = new Set(this.places.flat());
    return Array.from({ length: this.count }, (_, i) => i + 1).filter((n) => !placed.has(n));
  }

  /** All answers as they stand in the order, those without a place last. */
  get all() {
    return [...this.places.flat(), ...this.unplaced];
  }

  /** The place from 1, or 0 for none. */
  rankOf(answer) {
    return this.places.findIndex((place) => place.includes(answer)) + 1;
  }

  sharers(answer) {
    return (this.places[this.rankOf(answer) - 1] ?? []).filter((other) => other !== answer);
  }

  get canUndo() {
    return this.#steps.length > 0;
  }

  undo() {
    const before = this.#steps.pop();
    if (!before) return false;
    this.places = before;
    this.changed(null);
    return true;
  }

  #step(answer, change) {
    const before = JSON.stringify(this.places);
    change();
    this.places = this.places.filter((place) => place.length > 0);
    if (JSON.stringify(this.places) === before) return;
    this.#steps.push(JSON.parse(before));
    this.changed(answer);
  }

  /** Empties its place only, so that the places keep their numbers until the step is done. */
  #lift(answer) {
    this.places = this.places.map((place) => place.filter((other) => other !== answer));
  }

  /** A place of its own before the one that is at `index` from 0 now; at the end when there is none. */
  putBefore(answer, index) {
    this.#step(answer, () => {
      this.#lift(answer);
      this.places.splice(index, 0, [answer]);
    });
  }

  putLast(answer) {
    this.putBefore(answer, this.places.length);
  }

  /** Shares the place at `index` from 0. */
  join(answer, index) {
    this.#step(answer, () => {
      const place = this.places[index];
      if (place.includes(answer)) return;
      this.#lift(answer);
      this.places[index] = [...this.places[index], answer].sort((a, b) => a - b);
    });
  }

  takeOut(answer) {
    this.#step(answer, () => this.#lift(answer));
  }

  /** One place up (-1) or down (+1); out of a tie first; without a place to the top or bottom. */
  move(answer, by) {
    const index = this.rankOf(answer) - 1;
    if (index < 0) this.putBefore(answer, by < 0 ? 0 : this.places.length);
    else if (this.places[index].length > 1) this.putBefore(answer, by < 0 ? index : index + 1);
    else if (this.places[index + by]) {
      this.#step(answer, () => {
        const [place] = this.places.splice(index, 1);
        this.places.splice(index + by, 0, place);
      });
    }
  }

  /** Joins the place above, or the first answer the one below; leaves a tie for the place after. */
  tie(answer) {
    const index = this.rankOf(answer) - 1;
    if (index < 0) {
      if (this.places.length > 0) this.join(answer, this.places.length - 1);
    } else if (this.places[index].length > 1) this.putBefore(answer, index + 1);
    else if (index > 0) this.join(answer, index - 1);
    else if (this.places.length > 1) this.join(answer, 1);
  }
}
