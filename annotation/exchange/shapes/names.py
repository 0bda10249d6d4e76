"""What people call their columns: for telling a header, and for guessing a mapping."""

import re

PROMPT, ANSWER, CHOSEN, REJECTED = "prompt", "answer", "chosen", "rejected"
DEMONSTRATION, SYSTEM, LANGUAGE, LABELER = "demonstration", "system", "language", "labeler"
RANK, WINNER, GOOD, GRADE, TEXT, AUTHOR, IGNORED = (
    *("rank", "winner", "good", "grade", "text", "author"),
    "",
)

_ALIASES = {
    PROMPT: "prompt question instruction query input user human prompt_text context history "
    "问题 提示 提示词 指令 提问",
    ANSWER: "answer response candidate output reply completion model_output response_text "
    "回答 答案 回复",
    DEMONSTRATION: "target reference reference_answer gold ideal human_answer 参考答案 标准答案",
    CHOSEN: "chosen preferred accepted better positive pos_resp winner_response win_response "
    "好答案",
    REJECTED: "rejected dispreferred worse negative neg_resp loser_response lose_response 坏答案",
    SYSTEM: "system system_prompt 系统提示",
    LANGUAGE: "lang language locale 语言",
    LABELER: "labeler annotator worker user_id annotator_id judge rater evaluator 标注员 标注人",
    RANK: "rank ranks ranking order rank_order 排名 排序",
    WINNER: "winner preference preferred_response better_response selected choice 胜者 偏好",
    GOOD: "good label thumbs is_good acceptable 好坏",
    GRADE: "score rating grade reward quality overall 评分 分数 打分",
    TEXT: "text document content passage 文本 内容",
    AUTHOR: "model generator model_name source_model 模型",
}
NAMES = {name: meaning for meaning, names in _ALIASES.items() for name in names.split()}


def plain(name: str) -> str:
    """As the aliases are written; numbers and letters at its end that count answers are off."""
    text = re.sub(r"[\s\-.]+", "_", name.strip().lower())
    return text if text in _FLAT else re.sub(r"_?(\d{1,2}|_[a-z])$", "", text)


_FLAT = frozenset(NAMES)


def meaning_of(name: str) -> str:
    """What a column of this name most likely holds; IGNORED where the name says nothing."""
    return NAMES.get(plain(name), IGNORED)
