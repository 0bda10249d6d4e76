"""What the reader makes of real files: `python -m bench.formats FOLDER [FOLDER ...]`.

Not a test: it says for each file what was recognised, what would be imported, and what would not.
"""

import sys
from collections import Counter
from pathlib import Path

from annotation.exchange.files import visible_files
from annotation.exchange.reading.folding import fold
from annotation.exchange.reading.guessing import guessed
from annotation.exchange.reading.reading import look_at
from annotation.exchange.shapes.item import Item
from annotation.exchange.split import prompt_key
from annotation.exchange.wording import Unreadable


def main() -> None:
    for folder in map(Path, sys.argv[1:]):
        for path in visible_files(folder):
            print(f"{path.relative_to(folder)}: {said_of(path)}")


def said_of(path: Path) -> str:
    try:
        found = look_at(path)
        if not found.is_readable:
            guess = {name: its for name, its in guessed(found.columns).columns.items() if its}
            return f"{found.container.kind}, unknown shape: mapping page, guessed {guess}"
        by_prompt: dict[str, list[tuple[int, Item]]] = {}
        problems: list[tuple[int, Unreadable]] = []
        rows = 0
        for row in found.container.rows():
            rows += 1
            try:
                for item in found.items(row):
                    key = prompt_key(item.messages) if item.text is None else item.text
                    by_prompt.setdefault(key, []).append((row.place, item))
            except Unreadable as problem:
                problems.append((row.place, problem))
    except Unreadable as problem:
        return f"refused: {problem}"
    counts: Counter[str] = Counter(prompts=len(by_prompt))
    for items in by_prompt.values():
        groups, contradictions = fold(items)
        problems += contradictions
        for group in groups:
            counts["groups"] += bool(group.candidates)
            counts["answers"] += len(group.candidates)
            counts["rankings"] += len(group.judgments)
            counts["partial"] += sum(said.compared is not None for said in group.judgments)
            counts["demonstrations"] += len(group.demonstrations)
            counts["texts"] += group.text is not None
    figures = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    dropped = [name for name in found.columns if name not in found.fields]
    text = f"{found.container.kind}, {found.name}; {rows} rows, {figures}"
    text += f"; dropped: {', '.join(dropped)}" if dropped else ""
    first = "; ".join(f"row {place}: {problem}" for place, problem in problems[:3])
    return text + (f"; {len(problems)} problems: {first}" if problems else "")


if __name__ == "__main__":
    main()
