"""What people call their columns: for telling a header, and for guessing a mapping."""

import re

PROMPT, ANSWER, CHOSEN, REJECTED = "prompt", "answer", "chosen", "rejected"
DEMONSTRATION, SYSTEM, LANGUAGE, LABELER = "demonstration", "system", "language", "labeler"
TAGS = "tags"
ORDER = "order"
RANK, WINNER, GOOD, GRADE, TEXT, AUTHOR, IGNORED = (
    *("rank", "winner", "good", "grade", "text", "author"),
    "",
)

_ALIASES = {
    PROMPT: "prompt question instruction query prompt_text input messages conversations "
    "conversation user_input user context history "
    "问题 提示词 提示 指令 提问 题目 输入",
    ANSWER: "answer response candidate output reply completion generation assistant "
    "answers responses candidates outputs replies completions generations items "
    "model_output model_response response_text 回答 答案 回复 答复 输出 模型回答",
    DEMONSTRATION: "target reference reference_answer gold ideal human_answer 参考答案 标准答案",
    CHOSEN: "chosen preferred accepted better positive pos_resp winner_response win_response "
    "chosen_response response_chosen 好答案 好回答 优选回答 更好的回答 选中 被选中 正例",
    REJECTED: "rejected dispreferred worse negative neg_resp loser_response lose_response "
    "rejected_response response_rejected reject 坏答案 坏回答 差回答 较差的回答 拒绝 被拒绝 负例",
    SYSTEM: "system system_prompt 系统提示 系统提示词",
    LANGUAGE: "lang language locale 语言",
    LABELER: "labeler annotator worker annotator_id user_id judge rater evaluator "
    "标注员 标注人 标注者 评审",
    RANK: "rank ranks 排名 名次",
    ORDER: "ranking order rank_order preference_order 排序 顺序",
    WINNER: "winner preference preferred_response better_response selected choice verdict best "
    "胜者 偏好 哪个更好 更好 选择 优胜 结果",
    GOOD: "good label thumbs is_good acceptable 好坏 是否合格 合格 评价",
    GRADE: "score rating grade reward quality overall scores ratings grades rewards "
    "评分 分数 打分 得分",
    TEXT: "text document content passage 文本 内容",
    TAGS: "tags tag 标签",
    AUTHOR: "model generator model_name source_model models 模型",
}
NAMES = {name: meaning for meaning, names in _ALIASES.items() for name in names.split()}
_RARITY = {name: at for at, name in enumerate(NAMES)}
_COUNTED = re.compile(r"_?\d{1,2}$|_[a-z]$|(?<=[\u4e00-\u9fff])[a-d一二三四甲乙丙丁]$")
_INDEX = re.compile(r"(?i)Unnamed: \d+|__index_level_\d+__|column \d+|index|idx|id|序号|编号")
_OWNED = re.compile(r"^(model|模型)_?(\d|[a-d])(?=_|[\u4e00-\u9fff])")


def plain(name: str) -> str:
    """As the aliases are written; numbers and letters that count answers are off, be they at the
    end or behind “model”."""
    text = re.sub(r"(?<=[a-z])(?=[A-D]$)", "_", name.strip())
    text = re.sub(r"[\s\-.]+", "_", text.lower())
    if text in _FLAT:
        return text
    return _COUNTED.sub("", _OWNED.sub(r"\1", text))


_FLAT = frozenset(NAMES)


def is_index(name: str) -> bool:
    """A column that only numbers the rows, as pandas and our reading of nameless ones call it."""
    return _INDEX.fullmatch(name) is not None


def rarity_of(name: str) -> int:
    """How far down in the list of the usual names it stands."""
    return _RARITY.get(plain(name), len(_RARITY))


def meaning_of(name: str) -> str:
    """What a column of this name most likely holds; IGNORED where the name says nothing."""
    return NAMES.get(plain(name), IGNORED)
