"""Highlights point into the stored answer, in code points.

Their offsets counted UTF-16 units of the answer as it was shown, without markup. Each is found
anew by its quote, at the place nearest to the old one; one that is not found is kept, marked.
"""

import json

from django.db import migrations

LONGEST_QUOTE = 500


def _places(quote, text):
    """Where the quote may stand: as it is, or else by its letters and digits."""
    starts, at = [], text.find(quote)
    while at >= 0 and quote:
        starts.append((at, at + len(quote)))
        at = text.find(quote, at + 1)
    if starts:
        return starts
    where = [at for at, char in enumerate(text) if char.isalnum()]
    letters = "".join(text[at] for at in where)
    wanted = "".join(filter(str.isalnum, quote))
    at = letters.find(wanted)
    while at >= 0 and wanted:
        starts.append((where[at], where[at + len(wanted) - 1] + 1))
        at = letters.find(wanted, at + 1)
    return starts


def placed(highlight, text):
    """The highlight with its place in `text`; it is of older offsets."""
    places = _places(highlight["quote"], text)
    if not places:
        return {**highlight, "start": 0, "end": 0, "unplaced": True}
    start, end = min(places, key=lambda place: abs(place[0] - highlight["start"]))
    if len(highlight["quote"]) >= LONGEST_QUOTE:  # it was cut: the passage went on
        passage = highlight["end"] - highlight["start"]
        end = min(len(text), end + max(0, passage - LONGEST_QUOTE))
    return {**highlight, "start": start, "end": end}


def place_ratings(apps, schema_editor):
    ratings = apps.get_model("annotation", "Rating").objects
    ratings = ratings.using(schema_editor.connection.alias)
    marked = ratings.exclude(highlights=[]).select_related("answer")
    for rating in marked.iterator(chunk_size=500):
        rating.highlights = [placed(one, rating.answer.text) for one in rating.highlights]
        rating.save(update_fields=["highlights"])


def place_drafts(apps, schema_editor):
    """A draft holds them by the order shown, as a list or as the text that a browser sent."""
    alias = schema_editor.connection.alias
    drafts = apps.get_model("annotation", "Draft").objects.using(alias)
    answers = apps.get_model("annotation", "Answer").objects.using(alias)
    for draft in drafts.iterator(chunk_size=500):
        fields = [f"highlights_{number}" for number in range(1, len(draft.shown_order) + 1)]
        if not any(draft.content.get(field) for field in fields):
            continue
        texts = dict(answers.filter(group_id=draft.group_id).values_list("position", "text"))
        for field, position in zip(fields, draft.shown_order):
            kept = draft.content.get(field)
            if kept:
                draft.content[field] = _placed_draft(kept, texts.get(position, ""))
        draft.save(update_fields=["content"])


def _placed_draft(kept, text):
    """What a browser sent was not checked: what cannot be read is left to the form."""
    try:
        found = json.loads(kept) if isinstance(kept, str) else kept
        moved = [placed(one, text) for one in found]
    except (ValueError, TypeError, KeyError, RecursionError):
        return kept
    return json.dumps(moved) if isinstance(kept, str) else moved


class Migration(migrations.Migration):
    dependencies = [("annotation", "0011_gate_reasons")]

    operations = [
        migrations.RunPython(place_ratings, migrations.RunPython.noop),
        migrations.RunPython(place_drafts, migrations.RunPython.noop),
    ]
