"""Rows of each known shape that holds judgments, made up for the tests."""

import json
from typing import Any

Q = "Why is the sky blue?"
ASKED = {"role": "user", "content": Q}
GOOD, BAD = "Light is scattered.", "It is painted."


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def from_(role: str, text: str) -> dict[str, str]:
    return {"from": role, "value": text}


PAIR = [([1, 2], None)]
ALPACA = {"instruction": "Why is the sky", "input": "blue?"}
INFO = {"id": "t3", "post": Q, "title": "Sky", "subreddit": "ask"}
RANKER = {"type": "ranker", "value": {"ranker": {"rank": ["a1", "a0"]}}}
ITEMS = [{"id": "a0", "title": "1", "body": BAD}, {"id": "a1", "title": "2", "body": GOOD}]

# Its name, rows, and the ranks (with what was compared) that labelers give the answers.
JUDGED: list[tuple[str, list[dict[str, Any]], list[tuple[list[int], Any]]]] = [
    ("preference pairs (TRL, OpenRLHF)", [{"prompt": Q, "chosen": GOOD, "rejected": BAD}], PAIR),
    (
        "preference pairs (TRL, OpenRLHF)",
        [{"prompt": [ASKED], "chosen": [said(GOOD)], "rejected": [said(BAD)], "margin": 0.5}],
        PAIR,
    ),
    (
        "preference pairs with the prompt in both (TRL, OpenRLHF)",
        [{"chosen": [ASKED, said(GOOD)], "rejected": [ASKED, said(BAD)]}],
        PAIR,
    ),
    (
        "HH-RLHF",
        [
            {
                "chosen": f"\n\nHuman: {Q}\n\nAssistant: {GOOD}",
                "rejected": f"\n\nHuman: {Q}\n\nAssistant: {BAD}",
            }
        ],
        PAIR,
    ),
    (
        "OpenAI preference",
        [
            {
                "input": {"messages": [ASKED], "tools": []},
                "preferred_output": [said(GOOD)],
                "non_preferred_output": [said(BAD)],
            }
        ],
        PAIR,
    ),
    (
        "OpenAI preference",
        [{"input": [ASKED], "preferred_output": [said(GOOD)], "non_preferred_output": [said(BAD)]}],
        PAIR,
    ),
    (
        "UltraFeedback binarised",
        [
            {
                "prompt": Q,
                "chosen": [ASKED, said(GOOD)],
                "rejected": [ASKED, said(BAD)],
                "messages": [ASKED, said(GOOD)],
                "score_chosen": 9.0,
                "score_rejected": 2.0,
            }
        ],
        PAIR,
    ),
    (
        "RewardBench",
        [
            {
                "prompt": Q,
                "chosen": GOOD,
                "chosen_model": "m",
                "rejected": BAD,
                "rejected_model": "n",
            }
        ],
        PAIR,
    ),
    (
        "RewardBench 2, RM-Bench",
        [{"prompt": Q, "chosen": [GOOD], "rejected": [BAD, "No."], "models": ["m", "n", "o"]}],
        [([1, 2, 2], [(0, 1), (0, 2)])],
    ),
    (
        "conversations with pairs (LLaMA-Factory, MedicalGPT)",
        [
            {
                "conversations": [from_("human", Q)],
                "chosen": from_("gpt", GOOD),
                "rejected": from_("gpt", BAD),
            }
        ],
        PAIR,
    ),
    (
        "conversations with pairs (LLaMA-Factory, MedicalGPT)",
        [{"conversations": [from_("human", Q)], "chosen": GOOD, "rejected": BAD}],
        PAIR,
    ),
    (
        "conversations with pairs (LLaMA-Factory v1)",
        [
            {
                "chosen_messages": [
                    {"role": "user", "content": [{"type": "text", "value": Q}]},
                    said(GOOD),
                ],
                "rejected_messages": [ASKED, said(BAD)],
            }
        ],
        PAIR,
    ),
    (
        "instructions with pairs (Alpaca, LLaMA-Factory)",
        [{**ALPACA, "output": GOOD, "chosen": GOOD, "rejected": BAD}],
        PAIR,
    ),
    (
        "instructions with both answers (older LLaMA-Factory)",
        [{**ALPACA, "output": [GOOD, BAD]}],
        PAIR,
    ),
    (
        "instructions with good or bad (KTO)",
        [{**ALPACA, "output": GOOD, "kto_tag": True}, {**ALPACA, "output": BAD, "kto_tag": False}],
        PAIR,
    ),
    (
        "questions with pairs (Orca, MedicalGPT)",
        [{"system": "", "question": Q, "chosen": GOOD, "rejected": BAD}],
        PAIR,
    ),
    (
        "questions with pairs (Orca, MedicalGPT)",
        [
            {
                "system": "",
                "history": [["Hello.", "Hello!"]],
                "question": Q,
                "response_chosen": GOOD,
                "response_rejected": BAD,
            }
        ],
        PAIR,
    ),
    (
        "conversations with good or bad (KTO)",
        [
            {"messages": [ASKED, said(GOOD)], "label": True},
            {"messages": [ASKED, said(BAD)], "label": False},
        ],
        PAIR,
    ),
    (
        "answers with good or bad (TRL unpaired)",
        [
            {"prompt": Q, "completion": GOOD, "label": True},
            {"prompt": Q, "completion": BAD, "label": False},
        ],
        PAIR,
    ),
    (
        "Nectar",
        [
            {
                "prompt": f"\n\nHuman: {Q}\n\nAssistant: ",
                "answers": [
                    {"answer": BAD, "model": "m", "rank": 2.0},
                    {"answer": GOOD, "model": "n", "rank": 1.0},
                ],
            }
        ],
        [([2, 1], None)],
    ),
    (
        "UltraFeedback",
        [
            {
                "source": "s",
                "instruction": Q,
                "models": ["m", "n"],
                "completions": [
                    {
                        "model": "m",
                        "response": GOOD,
                        "overall_score": 1,
                        "annotations": {"honesty": [{"Rating": "5"}]},
                    },
                    {
                        "model": "n",
                        "response": BAD,
                        "overall_score": None,
                        "annotations": {
                            "honesty": {"Rating": "2"},
                            "truthfulness": {"Rating": "N/A"},
                        },
                    },
                ],
            }
        ],
        PAIR,
    ),
    (
        "HelpSteer 2 (ratings)",
        [
            {
                "prompt": Q,
                "response": text,
                "helpfulness": grade,
                "correctness": 1,
                "coherence": 1,
                "complexity": 1,
                "verbosity": 1,
            }
            for text, grade in ((GOOD, 4), (BAD, 0))
        ],
        PAIR,
    ),
    (
        "HelpSteer 2 (ratings)",
        [
            {"prompt": Q, "response": text, "helpfulness": grades, "correctness": [1, 1]}
            for text, grades in ((GOOD, [4, 1]), (BAD, [0, 1]))
        ],
        [([1, 2], None), ([1, 1], None)],
    ),
    (
        "HelpSteer 2 (preference)",
        [{"prompt": Q, "response_1": GOOD, "response_2": BAD, "preference_strength": -3}],
        PAIR,
    ),
    (
        "HelpSteer 3",
        [
            {
                "domain": "d",
                "language": "english",
                "context": [ASKED],
                "response1": GOOD,
                "response2": BAD,
                "overall_preference": -1,
                "individual_preference": [{"score": -2, "reasoning": "r"}, {"score": 0}],
            }
        ],
        [([1, 2], None), ([1, 1], None)],
    ),
    (
        "SHP",
        [
            {
                "post_id": "p",
                "history": Q,
                "human_ref_A": GOOD,
                "human_ref_B": BAD,
                "labels": 1,
                "score_ratio": 2.0,
            }
        ],
        PAIR,
    ),
    (
        "PKU-SafeRLHF",
        [
            {
                "prompt": Q,
                "response_0": GOOD,
                "response_1": BAD,
                "is_response_0_safe": True,
                "is_response_1_safe": True,
                "better_response_id": 0,
                "safer_response_id": 1,
            }
        ],
        [([1, 2], None), ([2, 1], None)],
    ),
    (
        "arena battles",
        [
            {
                "question_id": "q",
                "model_a": "m",
                "model_b": "n",
                "winner": "tie (bothbad)",
                "judge": "j",
                "conversation_a": [ASKED, said(GOOD)],
                "conversation_b": [ASKED, said(BAD)],
            }
        ],
        [([1, 1], None)],
    ),
    (
        "arena battles (table)",
        [
            {
                "id": "1",
                "model_a": "m",
                "model_b": "n",
                "prompt": json.dumps([Q]),
                "response_a": json.dumps([GOOD]),
                "response_b": json.dumps([BAD]),
                "winner_model_a": "1",
                "winner_model_b": "0",
                "winner_tie": "0",
            }
        ],
        PAIR,
    ),
    (
        "arena battles (texts)",
        [
            {
                "prompt": Q,
                "response_a": GOOD,
                "response_b": BAD,
                "model_a": "m",
                "model_b": "n",
                "winner": "m",
            }
        ],
        PAIR,
    ),
    (
        "alpaca_eval",
        [
            {
                **ALPACA,
                "output_1": BAD,
                "generator_1": "m",
                "output_2": GOOD,
                "generator_2": "n",
                "annotator": "a",
                "preference": 1.99,
            }
        ],
        [([2, 1], None)],
    ),
    (
        "PandaLM",
        [
            {
                **ALPACA,
                "response1": GOOD,
                "response2": BAD,
                "annotator1": 1,
                "annotator2": 2,
                "annotator3": 0,
            }
        ],
        [([1, 2], None), ([2, 1], None), ([1, 1], None)],
    ),
    ("LLMBar", [{"input": Q, "output_1": GOOD, "output_2": BAD, "label": 1}], PAIR),
    (
        "auto-j",
        [{"prompt": Q, "response 1": GOOD, "response 2": BAD, "label": 2}],
        [([1, 1], None)],
    ),
    ("CValues", [{"prompt": Q, "pos_resp": GOOD, "neg_resp": BAD, "pos_type": "a"}], PAIR),
    (
        "summarize-from-feedback (comparisons)",
        [
            {
                "info": INFO,
                "summaries": [{"text": BAD, "policy": "m"}, {"text": GOOD, "policy": "n"}],
                "choice": 1,
                "worker": "w",
                "extra": {"confidence": 8},
            }
        ],
        [([2, 1], None)],
    ),
    (
        "summarize-from-feedback (axes)",
        [
            {"info": INFO, "summary": {"text": text, "axes": {"overall": grade}}, "worker": "w"}
            for text, grade in ((GOOD, 7), (BAD, 1))
        ],
        PAIR,
    ),
    (
        "Open-Assistant trees",
        [
            {
                "message_tree_id": "t",
                "tree_state": "ready_for_export",
                "prompt": {
                    "message_id": "p",
                    "text": Q,
                    "role": "prompter",
                    "lang": "en",
                    "replies": [
                        {
                            "message_id": "a",
                            "text": BAD,
                            "role": "assistant",
                            "rank": 1,
                            "replies": [],
                        },
                        {
                            "message_id": "b",
                            "text": GOOD,
                            "role": "assistant",
                            "rank": 0,
                            "replies": [],
                        },
                    ],
                },
            }
        ],
        [([2, 1], None)],
    ),
    (
        "Open-Assistant trees",
        [
            {
                "message_tree_id": "t",
                "tree_state": "ready_for_export",
                "prompt": {
                    "message_id": "p",
                    "text": Q,
                    "role": "prompter",
                    "lang": "en",
                    "events": {
                        "ranking": [
                            {
                                "user_id": "u",
                                "ranking": [1, 0],
                                "ranked_message_ids": ["b", "a"],
                                "not_rankable": False,
                            },
                            {
                                "user_id": "v",
                                "ranking": [0, 1],
                                "ranked_message_ids": ["a", "b"],
                                "not_rankable": True,
                            },
                        ]
                    },
                    "replies": [
                        {
                            "message_id": "a",
                            "text": BAD,
                            "role": "assistant",
                            "rank": 1,
                            "replies": [],
                        },
                        {
                            "message_id": "b",
                            "text": GOOD,
                            "role": "assistant",
                            "rank": 0,
                            "replies": [],
                        },
                    ],
                },
            }
        ],
        [([2, 1], None), ([1, 1], None)],
    ),
    (
        "Argilla",
        [
            {
                "id": "1",
                "fields": {"prompt": Q, "response-1": BAD, "response-2": GOOD},
                "metadata": {"lang": "en"},
                "suggestions": {},
                "responses": {
                    "ranking": [{"value": ["response-2", "response-1"], "user_id": "u"}],
                    "overall": [{"value": 3, "user_id": "u"}],
                },
            }
        ],
        [([2, 1], None)],
    ),
    (
        "Argilla",
        [
            {
                "fields": {"prompt": Q, "response-1": BAD, "response-2": GOOD},
                "responses": {"best": [{"value": "response-2", "user_id": "u"}]},
            }
        ],
        [([2, 1], None)],
    ),
    (
        "Argilla (version 1)",
        [
            {
                "prompt": Q,
                "response-1": GOOD,
                "response-2": BAD,
                "ranking": [
                    {
                        "user_id": "u",
                        "value": {"rank": [1, 2], "value": ["response-1", "response-2"]},
                        "status": "submitted",
                    },
                    {"user_id": "v", "value": None, "status": "discarded"},
                ],
                "ranking-suggestion": None,
                "metadata": "{}",
            }
        ],
        PAIR,
    ),
    (
        "Argilla (API)",
        [
            {
                "id": "1",
                "fields": {"prompt": Q, "response-1": GOOD, "response-2": BAD},
                "responses": [
                    {
                        "user_id": "u",
                        "status": "submitted",
                        "values": {
                            "ranking": {
                                "value": [
                                    {"value": "response-1", "rank": 1},
                                    {"value": "response-2", "rank": 1},
                                ]
                            }
                        },
                    },
                    {
                        "user_id": "v",
                        "status": "discarded",
                        "values": {
                            "ranking": {
                                "value": [
                                    {"value": "response-1", "rank": 1},
                                    {"value": "response-2", "rank": 2},
                                ]
                            }
                        },
                    },
                ],
            }
        ],
        [([1, 1], None)],
    ),
    (
        "Argilla (flat)",
        [
            {
                "id": "1",
                "_server_id": None,
                "prompt": Q,
                "response-1": GOOD,
                "response-2": BAD,
                "response-3": None,
                "ranking.responses": [["response-1", "response-2"], None],
                "ranking.responses.users": ["u", "v"],
                "ranking.responses.status": ["submitted", "discarded"],
            }
        ],
        PAIR,
    ),
    (
        "Label Studio",
        [
            {
                "id": 1,
                "data": {"prompt": Q, "items": ITEMS},
                "annotations": [
                    {
                        "completed_by": 1,
                        "was_cancelled": False,
                        "result": [RANKER],
                        "lead_time": 20.0,
                    },
                    {"completed_by": 2, "was_cancelled": True, "result": [RANKER]},
                    {"completed_by": 3, "was_cancelled": False, "result": []},
                    {
                        "completed_by": 4,
                        "was_cancelled": False,
                        "result": [
                            {"type": "ranker", "value": {"ranker": {"_": ["a0", "a1"], "best": []}}}
                        ],
                    },
                    {
                        "completed_by": 5,
                        "was_cancelled": False,
                        "result": [
                            {"type": "ranker", "value": {"ranker": {"best": ["a1"], "bad": ["a0"]}}}
                        ],
                    },
                ],
            }
        ],
        [([2, 1], None), ([2, 1], None)],
    ),
    (
        "Label Studio",
        [
            {
                "data": {"prompt": Q, "items": ITEMS},
                "predictions": [
                    7,
                    {"model_version": "some-model", "result": [RANKER]},
                    {"model_version": "labeler-89b4d0820848", "result": [RANKER]},
                ],
            }
        ],
        [([2, 1], None)],
    ),
    (
        "Label Studio",
        [
            {
                "id": 1,
                "data": {"prompt": Q, "answer1": BAD, "answer2": GOOD},
                "annotations": [
                    {
                        "completed_by": 1,
                        "result": [{"type": "pairwise", "value": {"selected": "right"}}],
                    }
                ],
            }
        ],
        [([2, 1], None)],
    ),
    (
        "Label Studio (JSON_MIN, CSV)",
        [
            {
                "id": 1,
                "annotation_id": n,
                "annotator": n,
                "lead_time": 9,
                "prompt": Q,
                "items": ITEMS,
                "rank": [{"ranker": {"rank": order}}],
            }
            for n, order in ((1, ["a1", "a0"]), (2, ["a0", "a1"]))
        ],
        [([2, 1], None), ([1, 2], None)],
    ),
    (
        "Potato",
        [
            {
                "id": "t",
                "prompt": Q,
                "items": [BAD, GOOD, "No."],
                "response_quality": {"rank_order": "B,A=C"},
            }
        ],
        [([2, 1, 2], None)],
    ),
    (
        "Laoshi groups",
        [
            {
                "id": "group-1",
                "lang": "en",
                "prompt": [ASKED],
                "split": "train",
                "answers": [GOOD, BAD, "No."],
                "finish_reasons": ["stop"] * 3,
                "rankings": [
                    {"labeler": "labeler-1", "ranks": [1, 2, None]},
                    {"labeler": "labeler-1", "ranks": [1, None, 2]},
                    {"labeler": "labeler-2", "ranks": [1, 2, 2]},
                ],
            }
        ],
        [([1, 2, 2], [(0, 1), (0, 2)]), ([1, 2, 2], None)],
    ),
]
