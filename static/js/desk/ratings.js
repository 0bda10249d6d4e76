// The quality of each answer: digits rate it and go on to the next answer without a rating.

export function startRatings(form, changed) {
  const groups = [...form.querySelectorAll(".answer .quality")];
  const isRated = (group) => group.querySelector(":checked") !== null;
  const numberOf = (group) => Number(group.closest(".answer").dataset.index);

  function lead(group) {
    (group.querySelector(":checked") ?? group.querySelector("input")).focus();
    group.closest(".answer").scrollIntoView({ block: "nearest" });
  }

  return {
    missing: () => groups.filter((group) => !isRated(group)).map(numberOf),
    /** To the first answer without a rating; false where no ratings are asked for. */
    lead() {
      const first = groups.find((group) => !isRated(group)) ?? groups[0];
      if (first) lead(first);
      return Boolean(first);
    },
    rate(group, step) {
      const circle = group.querySelector(`input[value="${step}"]`);
      if (!circle) return;
      circle.checked = true;
      changed();
      const at = groups.indexOf(group);
      const next = [...groups.slice(at), ...groups.slice(0, at)].find((other) => !isRated(other));
      if (next) lead(next);
      else form.querySelector("#submit").focus();
    },
  };
}
