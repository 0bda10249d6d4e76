"""The sentences that runs and versions were given become verdicts: a code and values.

A sentence of none of the templates below is kept as it is, as free text.
"""

import re

from django.db import migrations, models

# The templates as they were when sentences were stored, the more particular one first.
TEMPLATES = {
    "stopped_by_budget": "stopped after %(steps)d steps at a divergence of %(divergence).1f nats",
    "stopped_by_heldout_reward": "stopped after %(steps)d steps: training reward rose from "
    "%(low).3f to %(high).3f since step %(since)d while held-out reward fell from %(before).3f to "
    "%(after).3f",
    "stopped_by_heldout_ends": "stopped after %(steps)d steps: training reward rose from "
    "%(low).3f to %(high).3f since step %(since)d while the share of held-out answers that end "
    "fell from %(before).3f to %(after).3f",
    "no_heldout_pairs": "No held-out pair to judge by: rank more prompts.",
    "reward_below_chance": "Held-out log loss %(loss).3f over %(pairs)d pairs is below chance "
    "(0.693); accuracy %(accuracy).2f.",
    "reward_not_below_chance": "Held-out log loss %(loss).3f over %(pairs)d pairs is not below "
    "chance (0.693); accuracy %(accuracy).2f.",
    "no_heldout_prompts": "No held-out prompt to judge by: add prompts.",
    "policy_gain": "Held-out reward went from %(before).3f to %(after).3f at a divergence of "
    "%(divergence).1f nats, within the budget of %(budget)g.",
    "policy_over_budget": "Held-out reward went from %(before).3f to %(after).3f at a divergence "
    "of %(divergence).1f nats, over the budget of %(budget)g.",
    "policy_no_gain": "Held-out reward went from %(before).3f to %(after).3f at a divergence of "
    "%(divergence).1f nats: no gain.",
    "best_of_n_report": "A report of best-of-n: nothing was trained.",
    "no_heldout_text": "No held-out text to judge by: add text.",
    "language_no_gain": "Held-out loss went from %(before).3f to %(after).3f nats a token: no "
    "gain.",
    "language_gain": "Held-out loss went from %(before).3f to %(after).3f nats a token.",
    "no_unigram_entropy": "No unigram entropy to judge by.",
    "language_below_entropy": "Held-out loss %(loss).3f is below %(entropy).3f, the unigram "
    "entropy of the same tokens (nats a token).",
    "language_not_below_entropy": "Held-out loss %(loss).3f is not below %(entropy).3f, the "
    "unigram entropy of the same tokens (nats a token).",
    "other_champion": "Another policy was made champion while this one was trained.",
    "out_of_memory": "Out of memory: lower tokens_per_batch, or use a smaller model.",
    "process_died": "The training process died %(times)d times at the same place. Its last words: "
    "%(words)s",
    "worker_died": "The worker died as often as this run was tried.",
}
AND_STOPPED = "%s Training %s."
STOPPED = re.compile(r"(.+) Training (stopped after .+)\.", re.DOTALL)

VALUE = re.compile(r"%\((\w+)\)([.\d]*[dfgs])")
NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?"
KINDS = {"d": (r"\d+", int), "s": (".*", str)}  # and floats


def pattern(template):
    """A regular expression of what the template can become, and the kind of each value."""
    name, parts, kinds = None, [], {}
    for number, part in enumerate(VALUE.split(template)):
        if number % 3 == 0:
            parts.append(re.escape(part))
        elif number % 3 == 1:
            name = part
        else:
            what, kinds[name] = KINDS.get(part[-1], (NUMBER, float))
            parts.append(f"(?P<{name}>{what})")
    return re.compile("".join(parts), re.DOTALL), kinds


PATTERNS = {code: pattern(template) for code, template in TEMPLATES.items()}


def verdict(sentence):
    """{"code", "values"} of a sentence of the templates, else None."""
    for code, (sentences, kinds) in PATTERNS.items():
        if found := sentences.fullmatch(sentence):
            values = {name: kinds[name](value) for name, value in found.groupdict().items()}
            return {"code": code, "values": values}
    return None


def reason(sentence):
    """The verdict, also one on a run that was stopped early; else the sentence itself."""
    if found := verdict(sentence):
        return found
    if parts := STOPPED.fullmatch(sentence):
        judged, stopped = verdict(parts[1]), verdict(parts[2])
        if judged and stopped:
            judged["values"]["stopped"] = stopped
            return judged
    return sentence


def sentence(reason):
    """The inverse of `reason`."""
    if not isinstance(reason, dict):
        return reason
    said = TEMPLATES[reason["code"]] % reason["values"]
    stopped = reason["values"].get("stopped")
    return AND_STOPPED % (said, sentence(stopped)) if stopped else said


def reported(text):
    """`stopped` among a policy's metrics: why its training ended early, also in words."""
    found = reason(text)
    return text if found == text else {**found, "reason": text}


def unreported(stopped):
    return stopped["reason"] if isinstance(stopped, dict) else stopped


def convert(rows, source, target, turn, turn_stopped):
    """One update a row: PostgreSQL alters no table whose rows were changed twice just before."""
    for pk, found, metrics in rows.values_list("pk", source, "metrics"):
        changes = {target: turn(found)} if found else {}
        if metrics.get("stopped"):
            changes["metrics"] = {**metrics, "stopped": turn_stopped(metrics["stopped"])}
        if changes:
            rows.filter(pk=pk).update(**changes)


def tables(apps, schema_editor):
    names = [
        ("annotation", "PolicyVersion"),
        ("rewardmodel", "RewardModelVersion"),
        ("rewardmodel", "TrainingRun"),
    ]
    alias = schema_editor.connection.alias
    return [apps.get_model(*name).objects.using(alias).all() for name in names]


def to_verdicts(apps, schema_editor):
    policies, reward_models, runs = tables(apps, schema_editor)
    convert(policies, "gate_reason", "gate_reason", reason, reported)
    convert(reward_models, "gate_text", "gate_reason", reason, reported)
    convert(runs, "reason_text", "reason", reason, reported)


def to_sentences(apps, schema_editor):
    policies, reward_models, runs = tables(apps, schema_editor)
    convert(policies, "gate_reason", "gate_reason", sentence, unreported)
    convert(reward_models, "gate_reason", "gate_text", sentence, unreported)
    convert(runs, "reason", "reason_text", sentence, unreported)


class Migration(migrations.Migration):
    dependencies = [
        ("annotation", "0011_gate_reasons"),
        ("rewardmodel", "0003_run_kinds"),
    ]

    operations = [
        migrations.RenameField("rewardmodelversion", "gate_reason", "gate_text"),
        migrations.AddField(
            "rewardmodelversion",
            "gate_reason",
            models.JSONField(blank=True, null=True, verbose_name="gate"),
        ),
        migrations.RenameField("trainingrun", "reason", "reason_text"),
        migrations.AddField(
            "trainingrun",
            "reason",
            models.JSONField(blank=True, null=True, verbose_name="reason"),
        ),
        migrations.RunPython(to_verdicts, to_sentences),
        migrations.RemoveField("rewardmodelversion", "gate_text"),
        migrations.RemoveField("trainingrun", "reason_text"),
    ]
