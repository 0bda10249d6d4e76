"""What can become of a version or a run: codes, and the sentence that each one says.

A template's values are those of the verdict (gate.py), which words it.
"""

from __future__ import annotations

from enum import StrEnum

from annotation.exchange.wording import gettext_noop


class Code(StrEnum):
    """Stored in databases and run folders: a code is never renamed, nor used for another thing."""

    STOPPED_BY_BUDGET = "stopped_by_budget"
    STOPPED_BY_HELDOUT_REWARD = "stopped_by_heldout_reward"
    STOPPED_BY_HELDOUT_ENDS = "stopped_by_heldout_ends"
    NO_HELDOUT_PAIRS = "no_heldout_pairs"
    REWARD_BELOW_CHANCE = "reward_below_chance"
    REWARD_NOT_BELOW_CHANCE = "reward_not_below_chance"
    REWARD_LEARNED = "reward_learned"
    REWARD_NOT_LEARNED = "reward_not_learned"
    REWARD_UNDECIDED = "reward_undecided"
    REWARD_NOT_TAUGHT = "reward_not_taught"
    REWARD_TOO_SURE = "reward_too_sure"
    REWARD_LIKES_LENGTH = "reward_likes_length"
    REWARD_WORSE = "reward_worse"
    STUDENT_WORSE = "student_worse"
    NO_HELDOUT_PROMPTS = "no_heldout_prompts"
    POLICY_GAIN = "policy_gain"
    POLICY_OVER_BUDGET = "policy_over_budget"
    POLICY_NO_GAIN = "policy_no_gain"
    POLICY_BETTER = "policy_better"
    POLICY_UNDECIDED = "policy_undecided"
    POLICY_DOUBTED = "policy_doubted"
    POLICY_FEWER_ENDS = "policy_fewer_ends"
    POLICY_ENDS_UNDECIDED = "policy_ends_undecided"
    POLICY_OTHER_LENGTH = "policy_other_length"
    POLICY_LENGTH_UNDECIDED = "policy_length_undecided"
    POLICY_LESS_DISTINCT = "policy_less_distinct"
    POLICY_DISTINCT_UNDECIDED = "policy_distinct_undecided"
    POLICY_SECOND_FELL = "policy_second_fell"
    POLICY_SECOND_WORSE = "policy_second_worse"
    POLICY_SECOND_UNDECIDED = "policy_second_undecided"
    POLICY_UNJUDGED = "policy_unjudged"
    BEST_OF_N_REPORT = "best_of_n_report"
    PRETRAINING_REPORT = "pretraining_report"
    NO_HELDOUT_TEXT = "no_heldout_text"
    LANGUAGE_GAIN = "language_gain"
    LANGUAGE_NO_GAIN = "language_no_gain"
    LANGUAGE_UNDECIDED = "language_undecided"
    NO_UNIGRAM_ENTROPY = "no_unigram_entropy"
    LANGUAGE_BELOW_ENTROPY = "language_below_entropy"
    LANGUAGE_NOT_BELOW_ENTROPY = "language_not_below_entropy"
    LANGUAGE_ENTROPY_UNDECIDED = "language_entropy_undecided"
    OTHER_CHAMPION = "other_champion"
    PEOPLE_PREFER_OTHER = "people_prefer_other"
    PEOPLE_UNDECIDED = "people_undecided"
    PEOPLE_SAID_NOTHING = "people_said_nothing"
    OUT_OF_MEMORY = "out_of_memory"
    DISK_FULL = "disk_full"
    WAITS_FOR_ROOM = "waits_for_room"
    PROCESS_DIED = "process_died"
    WORKER_DIED = "worker_died"


WORDING = {
    Code.STOPPED_BY_BUDGET: gettext_noop(
        "stopped after {steps} steps at a divergence of {divergence:.1f} nats"
    ),
    Code.STOPPED_BY_HELDOUT_REWARD: gettext_noop(
        "stopped after {steps} steps: training reward rose from {low:.3f} to {high:.3f} since step "
        "{since} while held-out reward fell from {before:.3f} to {after:.3f}"
    ),
    Code.STOPPED_BY_HELDOUT_ENDS: gettext_noop(
        "stopped after {steps} steps: training reward rose from {low:.3f} to {high:.3f} since step "
        "{since} while the share of held-out answers that end fell from {before:.3f} to {after:.3f}"
    ),
    Code.NO_HELDOUT_PAIRS: gettext_noop("No held-out pair to judge by: rank more prompts."),
    Code.REWARD_BELOW_CHANCE: gettext_noop(
        "Held-out log loss {loss:.3f} over {pairs} pairs is below chance (0.693); "
        "accuracy {accuracy:.2f}."
    ),
    Code.REWARD_NOT_BELOW_CHANCE: gettext_noop(
        "Held-out log loss {loss:.3f} over {pairs} pairs is not below chance (0.693); "
        "accuracy {accuracy:.2f}."
    ),
    Code.REWARD_LEARNED: gettext_noop(
        "Learned: held-out log loss {loss:.3f} ({low:.3f} to {high:.3f}), where a coin has 0.693, "
        "over {pairs} pairs of {prompts} prompts; accuracy {accuracy:.2f}."
    ),
    Code.REWARD_NOT_LEARNED: gettext_noop(
        "Not learned: held-out log loss {loss:.3f} ({low:.3f} to {high:.3f}), where a coin has "
        "0.693, over {pairs} pairs of {prompts} prompts; accuracy {accuracy:.2f}."
    ),
    Code.REWARD_UNDECIDED: gettext_noop(
        "Not decided yet: held-out log loss {loss:.3f}, where a coin has 0.693, over {pairs} pairs "
        "of {prompts} prompts; accuracy {accuracy:.2f}. Rank about {more} more prompts."
    ),
    Code.REWARD_NOT_TAUGHT: gettext_noop(
        "Not decided yet: held-out log loss {loss:.3f}, where a coin has 0.693, over {pairs} pairs "
        "of {prompts} prompts; accuracy {accuracy:.2f}. More rankings like these do not seem to "
        "teach it: their curve levels off at {floor:.3f}."
    ),
    Code.REWARD_TOO_SURE: gettext_noop(
        "Learned, but too sure: {confidence:.0%} sure, in the mean, of {pairs} held-out pairs of "
        "{prompts} prompts, and right in {accuracy:.0%}. Ten points more than right are allowed."
    ),
    Code.REWARD_LIKES_LENGTH: gettext_noop(
        "Learned, but length weighs otherwise with it than with people: of two held-out answers it "
        "prefers the longer in {longer:.0%} of cases, people do in {people:.0%} ({pairs} pairs of "
        "{prompts} prompts). 25 points more or less are allowed."
    ),
    Code.REWARD_WORSE: gettext_noop(
        "Learned, but worse than the reward model that serves: held-out log loss {loss:.3f} "
        "against {served:.3f} over {pairs} pairs of {prompts} prompts."
    ),
    Code.STUDENT_WORSE: gettext_noop(
        "Learned, but worse than its teacher: held-out log loss {loss:.3f} against {teacher:.3f} "
        "over {pairs} pairs of {prompts} prompts."
    ),
    Code.NO_HELDOUT_PROMPTS: gettext_noop("No held-out prompt to judge by: add prompts."),
    Code.POLICY_GAIN: gettext_noop(
        "Held-out reward went from {before:.3f} to {after:.3f} at a divergence of "
        "{divergence:z.1f} nats, within the budget of {budget:g}."
    ),
    Code.POLICY_OVER_BUDGET: gettext_noop(
        "Held-out reward went from {before:.3f} to {after:.3f} at a divergence of "
        "{divergence:z.1f} nats, over the budget of {budget:g}."
    ),
    Code.POLICY_NO_GAIN: gettext_noop(
        "Held-out reward went from {before:.3f} to {after:.3f} at a divergence of "
        "{divergence:z.1f} nats: no gain."
    ),
    Code.POLICY_UNJUDGED: gettext_noop(
        "No reward model judged its answers, so it serves only if an admin chooses it: the loss on "
        "held-out rankings went from {before:.3f} to {after:.3f} at a divergence of "
        "{divergence:z.1f} nats."
    ),
    Code.POLICY_BETTER: gettext_noop(
        "Better: held-out reward rose from {before:.3f} to {after:.3f}, by {gain:.3f} ({low:.3f} "
        "to {high:.3f}), at a divergence of {divergence:z.1f} nats, within the budget of "
        "{budget:g}."
    ),
    Code.POLICY_UNDECIDED: gettext_noop(
        "Not decided yet: held-out reward went from {before:.3f} to {after:.3f}, by {gain:.3f} "
        "({low:.3f} to {high:.3f}), which may be chance. About {more} more held-out prompts would "
        "tell."
    ),
    Code.POLICY_DOUBTED: gettext_noop(
        "Not decided yet: held-out reward went from {before:.3f} to {after:.3f}, by {gain:.3f} "
        "({low:.3f} to {high:.3f}), of which the reward model itself is not sure enough: by its "
        "rankings that gain has a deviation of {doubt:.3f}. More rankings would tell."
    ),
    Code.POLICY_FEWER_ENDS: gettext_noop(
        "Held-out reward rose from {before:.3f} to {after:.3f}, but fewer answers end by "
        "themselves: {ended:.0%} where {ended_before:.0%} did."
    ),
    Code.POLICY_ENDS_UNDECIDED: gettext_noop(
        "Not decided yet: held-out reward rose from {before:.3f} to {after:.3f}, but fewer answers "
        "end by themselves, {ended:.0%} where {ended_before:.0%} did, which may be chance. About "
        "{more} more held-out prompts would tell."
    ),
    Code.POLICY_OTHER_LENGTH: gettext_noop(
        "Held-out reward rose from {before:.3f} to {after:.3f}, but answers are of another length: "
        "{tokens:.0f} tokens where they had {tokens_before:.0f}. From half to twice is allowed."
    ),
    Code.POLICY_LENGTH_UNDECIDED: gettext_noop(
        "Not decided yet: held-out reward rose from {before:.3f} to {after:.3f}, but answers have "
        "{tokens:.0f} tokens where they had {tokens_before:.0f}. From half to twice is allowed, "
        "and that it is more may be chance. About {more} more held-out prompts would tell."
    ),
    Code.POLICY_LESS_DISTINCT: gettext_noop(
        "Held-out reward rose from {before:.3f} to {after:.3f}, but answers are more alike: "
        "{distinct:.0%} of their pairs of tokens are different where {distinct_before:.0%} were. "
        "Half as many are allowed."
    ),
    Code.POLICY_DISTINCT_UNDECIDED: gettext_noop(
        "Not decided yet: held-out reward rose from {before:.3f} to {after:.3f}, but answers are "
        "more alike: {distinct:.0%} of their pairs of tokens are different where "
        "{distinct_before:.0%} were. Half as many are allowed, and that they are fewer may be "
        "chance. About {more} more held-out prompts would tell."
    ),
    Code.POLICY_SECOND_WORSE: gettext_noop(
        "Held-out reward rose from {before:.3f} to {after:.3f}, but a second reward model, which "
        "nothing was trained against, likes the answers less: their mean score changed by "
        "{second:.3f} of its deviations ({second_low:.3f} to {second_high:.3f})."
    ),
    Code.POLICY_SECOND_UNDECIDED: gettext_noop(
        "Not decided yet: held-out reward rose from {before:.3f} to {after:.3f}, but the mean "
        "score of the answers by a second reward model changed by {second:.3f} of its deviations "
        "({second_low:.3f} to {second_high:.3f}), which may be chance. About {more} more held-out "
        "prompts would tell."
    ),
    Code.POLICY_SECOND_FELL: gettext_noop(
        "Held-out reward rose from {before:.3f} to {after:.3f}, but a second reward model, which "
        "nothing was trained against, likes the answers less: by {second:.3f} of its deviations."
    ),
    Code.BEST_OF_N_REPORT: gettext_noop("A report of best-of-n: nothing was trained."),
    Code.PRETRAINING_REPORT: gettext_noop(
        "After {steps} steps on the same demonstrations the held-out loss is {loss:.3f} nats a "
        "token from the pretrained model and {fresh_loss:.3f} from a fresh one of its shape. Of "
        "{pairs} held-out pairs a reward model on the one orders {accuracy:.0%} as people did, on "
        "the other {fresh_accuracy:.0%}."
    ),
    Code.NO_HELDOUT_TEXT: gettext_noop("No held-out text to judge by: add text."),
    Code.LANGUAGE_GAIN: gettext_noop(
        "Held-out loss went from {before:.3f} to {after:.3f} nats a token."
    ),
    Code.LANGUAGE_NO_GAIN: gettext_noop(
        "Held-out loss went from {before:.3f} to {after:.3f} nats a token: no gain."
    ),
    Code.LANGUAGE_UNDECIDED: gettext_noop(
        "Not decided yet: held-out loss went from {before:.3f} to {after:.3f} nats a token, by "
        "{gain:.3f} ({low:.3f} to {high:.3f}), which may be chance. About {more} more held-out "
        "prompts, documents or stretches of text would tell."
    ),
    Code.NO_UNIGRAM_ENTROPY: gettext_noop("No unigram entropy to judge by."),
    Code.LANGUAGE_BELOW_ENTROPY: gettext_noop(
        "Held-out loss {loss:.3f} is below {entropy:.3f}, the unigram entropy of the same tokens "
        "(nats a token)."
    ),
    Code.LANGUAGE_NOT_BELOW_ENTROPY: gettext_noop(
        "Held-out loss {loss:.3f} is not below {entropy:.3f}, the unigram entropy of the same "
        "tokens (nats a token)."
    ),
    Code.LANGUAGE_ENTROPY_UNDECIDED: gettext_noop(
        "Not decided yet: held-out loss {loss:.3f} is below {entropy:.3f}, the unigram entropy of "
        "the same tokens (nats a token), by {gain:.3f} ({low:.3f} to {high:.3f}), which may be "
        "chance. About {more} more held-out documents or stretches of text would tell."
    ),
    Code.OTHER_CHAMPION: gettext_noop(
        "Another policy was made champion while this one was trained."
    ),
    Code.PEOPLE_PREFER_OTHER: gettext_noop(
        "People prefer policy {first}: over {prompts} held-out prompts this one won {rate:.0%} of "
        "the comparisons that one of the two won ({low:.0%} to {high:.0%})."
    ),
    Code.PEOPLE_UNDECIDED: gettext_noop(
        "Not decided yet: over {prompts} held-out prompts this one won {rate:.0%} of the "
        "comparisons with policy {first} that one of the two won ({low:.0%} to {high:.0%}). More "
        "held-out prompts would tell."
    ),
    Code.PEOPLE_SAID_NOTHING: gettext_noop(
        "Not decided yet: over {prompts} held-out prompts people preferred neither this one nor "
        "policy {first}. More held-out prompts would tell."
    ),
    Code.OUT_OF_MEMORY: gettext_noop(
        "Out of memory: lower tokens_per_batch, or use a smaller model."
    ),
    Code.DISK_FULL: gettext_noop(
        "The disk is full. Make room; the same command goes on from the last checkpoint."
    ),
    Code.WAITS_FOR_ROOM: gettext_noop(
        "The disk is full. The run keeps its checkpoint, and goes on from it by itself once "
        "{gigabytes:.1f} GB are free."
    ),
    Code.PROCESS_DIED: gettext_noop(
        "The training process died {times} times at the same place. Its last words: {words}"
    ),
    Code.WORKER_DIED: gettext_noop("The worker died as often as this run was tried."),
}
AND_STOPPED = gettext_noop("{verdict} Training {stopped}.")
