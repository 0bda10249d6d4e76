// One question and its answers: written side by side, scored, and kept.
import { ask } from "../chain/asking.js";
import { colon, letter } from "../desk/words.js";
import { Answer } from "./answer.js";
import { keep } from "./keeping.js";

/** As crypto.randomUUID, which only pages from a safe address have. */
const newName = () =>
  "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (digit) =>
    (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16),
  );

export class Exchange {
  constructor({ form, say, wait, show, said, messages, versions, names, count, scores, fields, again }) {
    Object.assign(this, { form, say, wait, show, said, messages, versions, names, scores, again });
    this.name = newName();
    this.fields = { ...fields, name: this.name, versions: versions.join(), messages: JSON.stringify(messages) };
    this.isBlind = versions.length > 1;
    this.element = document.getElementById("exchange").content.firstElementChild.cloneNode(true);
    this.element.querySelector(".said").textContent = said;
    this.answers = Array.from({ length: count }, (_, place) => new Answer(this, place, this.nameOf(place, count)));
    this.element.querySelector(".answers").append(...this.answers.map((answer) => answer.element));
    this.answers[0].choose();
    this.element.addEventListener("click", ({ target }) => {
      const act = target.closest("button[data-act]")?.dataset.act;
      if (act in this.acts) this.acts[act]();
    });
  }

  acts = {
    score: () => this.run(this.score()),
    reveal: () => this.reveal(),
    again: () => this.again(this),
    prompt: () => keep(this, { kind: "prompt" }),
    group: () => keep(this, { kind: "group" }, this.answers.map((answer) => answer.record)),
  };

  nameOf(place, count) {
    if (this.isBlind) return this.say("answer", { name: letter(place + 1) });
    const version = this.names.get(this.versions[0]);
    return count > 1 ? `${version} · ${place + 1}` : version;
  }

  get isWriting() {
    return this.answers.some((answer) => answer.isWriting);
  }

  get chosen() {
    return this.answers.find((answer) => answer.isChosen);
  }

  asked(fields, isStale, wait = this.wait) {
    return ask({ form: this.form, say: this.say, wait, isStale, fields: { ...this.fields, ...fields } });
  }

  run(work) {
    this.form.dispatchEvent(new CustomEvent("resume", { detail: () => work }));
  }

  /** Writes what is not written yet; what is to be read out of it. */
  async write(answers = this.answers) {
    const ends = await Promise.allSettled(answers.map((answer) => answer.write()));
    const failed = ends.find((end) => end.status === "rejected");
    if (failed) throw failed.reason;
    if (this.scores && this.answers.every((answer) => answer.record)) await this.score();
    return answers.map((answer) => `${answer.name}${colon}${answer.text}`).join("\n");
  }

  stop() {
    for (const answer of this.answers) answer.stop();
  }

  async score() {
    await Promise.all(this.answers.filter((answer) => answer.tokens.length).map((answer) => answer.score()));
    const known = this.answers.filter((answer) => Number.isFinite(answer.reward));
    if (known.length < 2) return;
    const best = known.reduce((a, b) => (b.reward > a.reward ? b : a));
    for (const answer of this.answers) answer.element.querySelector(".best").hidden = answer !== best;
    if (this.scores && !best.radio.disabled) best.choose();
  }

  async reveal() {
    const answer = await this.asked({ way: "reveal", place: 0 }, () => false);
    answer.versions.forEach((number, place) => this.answers[place].rename(`${letter(place + 1)} · ${this.names.get(String(number))}`));
    this.isBlind = false;
    this.show();
  }

  showActions(isNewest) {
    const isDone = !this.isWriting;
    this.element.querySelector(".after").hidden = !isDone;
    const showing = (act, is) => {
      const button = this.element.querySelector(`[data-act=${act}]`);
      if (button) button.hidden = !is;
    };
    showing("reveal", this.isBlind);
    showing("again", isNewest);
    showing("group", this.answers.length > 1 && this.answers.every((answer) => answer.record));
    for (const answer of this.answers) answer.showActions(isNewest, this.answers.length > 1);
  }
}
