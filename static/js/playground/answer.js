// One answer, written a moment at a time until it ends or is stopped.
import { Problem } from "../chain/asking.js";
import { keep } from "./keeping.js";

const PACE = 200; // milliseconds between two looks, so that the web server has time for others
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const signed = new Intl.NumberFormat(document.documentElement.lang, { signDisplay: "exceptZero", minimumFractionDigits: 2, maximumFractionDigits: 2 });

export class Answer {
  constructor(exchange, place, name) {
    Object.assign(this, { exchange, place, tokens: [], text: "", proof: "", record: "", ending: "" });
    this.element = document.getElementById("answer").content.firstElementChild.cloneNode(true);
    [this.prose, this.facts, this.badge, this.mend] = [".prose", ".facts", ".badge.score", ".mend"].map((one) => this.element.querySelector(one));
    this.radio = this.element.querySelector("input[type=radio]");
    this.radio.name = `choice-${exchange.name}`;
    this.rename(name);
    this.element.addEventListener("click", ({ target }) => {
      const act = target.closest("button[data-act]")?.dataset.act;
      if (act === "resume") exchange.run(exchange.write([this]));
      if (act === "demonstration") keep(exchange, { kind: "demonstration", text: this.mend.querySelector("textarea").value });
    });
    this.mend.addEventListener("toggle", () => {
      const text = this.mend.querySelector("textarea");
      if (this.mend.open && !text.value) text.value = this.text;
    });
  }

  rename(name) {
    this.name = name;
    this.element.querySelector(".name").textContent = name;
  }

  get isChosen() {
    return this.radio.checked;
  }

  choose() {
    this.radio.checked = true;
  }

  async write() {
    if (this.record) return;
    this.isWriting = true;
    this.show();
    try {
      while (this.isWriting && !this.record) {
        const fields = { way: "write", place: this.place, tokens: this.tokens.join(), proof: this.proof };
        const answer = await this.exchange.asked(fields, () => !this.isWriting);
        if (!answer) break;
        this.exchange.wait("");
        Object.assign(this, { tokens: answer.tokens, text: answer.text, proof: answer.proof ?? "", record: answer.record ?? "" });
        this.ending = answer.finish_reason;
        this.show(answer);
        if (!this.record) await pause(PACE);
      }
      if (!this.record) this.ending = "stopped";
    } catch (error) {
      if (error instanceof Problem) this.ending = "stopped";
      throw error;
    } finally {
      this.isWriting = false;
      this.show();
    }
  }

  stop() {
    this.isWriting = false;
  }

  /** A finished one as labelers see it; nothing of it is announced while it is written. */
  show({ html, dir } = {}) {
    const { say, fields } = this.exchange;
    if (html !== undefined) {
      this.prose.innerHTML = html; // sanitised by the server
      this.prose.dir = dir;
    } else if (!this.record) this.prose.textContent = this.text;
    this.prose.classList.toggle("raw", !this.record);
    this.prose.setAttribute("aria-busy", String(this.isWriting));
    const seed = Number(fields.seed) + (this.exchange.versions.length > 1 ? 0 : this.place);
    const facts = [say("tokens", { count: this.tokens.length }), this.isWriting ? say("writing") : this.ending && say(this.ending), say("seed", { seed })];
    this.facts.textContent = facts.filter(Boolean).join(" · ");
  }

  showActions(isNewest, isOneOfMany) {
    const hidden = (selector, is) => (this.element.querySelector(selector).hidden = is);
    hidden(".choice", !isOneOfMany);
    this.radio.disabled = !isNewest;
    hidden(".go-on", this.isWriting || Boolean(this.record));
    hidden(".mend", this.isWriting || !this.text);
  }

  async score() {
    const { say } = this.exchange;
    const tell = (text) => {
      this.badge.hidden = false;
      this.badge.textContent = text;
    };
    tell("…");
    try {
      const fields = { way: "score", place: this.place, tokens: this.tokens.join() };
      const answer = await this.exchange.asked(fields, () => false, () => tell(say("scoring")));
      this.reward = answer.score;
      tell(say("score", { score: signed.format(answer.score) }));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      tell(error.message);
    }
  }
}
