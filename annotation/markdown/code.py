"""Colours of code: comments, strings, numbers and keywords, in one pass over the text.

A grammar for each language would tell more apart, but answers are hostile, and the lexers at hand
are quadratic or never end on some texts. Here one expression reads each character once: nothing in
it can give back what it took.
"""

import re
from typing import NamedTuple

from annotation.markdown.source import Passage

STRING = r'"(?:[^"\\\n]|\\.)*+"?|\'(?:[^\'\\\n]|\\.)*+\''
REST = r"(?P<m>\d[\w.]*+)|(?P<word>[^\W\d]\w*+)"
SLASHES = r"//[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?"
HASH = r"(?<!\S)#[^\n]*+"
DASHES = r"--[^\n]*+"
LONG_STRING = (
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+(?:""")?|\'\'\'(?:[^\'\\]|\\[\s\S]|\'(?!\'\'))*+(?:\'\'\')?'
)
TEMPLATE = r"`(?:[^`\\]|\\[\s\S])*+`?"


KEYWORDS = """
    abstract and as assert async await bool boolean break case catch char class const continue
    def default defer delete do done double elif else elsif end ensure enum esac except export
    extends extern false False fi final finally float fn for foreach from func function global go
    goto if impl implements import in instanceof int interface is lambda let local long match mod
    module mut namespace new nil None nonlocal not null nullptr of or override package pass private
    protected pub public raise readonly rescue return self short signed sizeof static struct super
    switch then this throw throws trait true True try type typedef typeof undefined unless unsigned
    until use using val var virtual void volatile when where while with yield
"""
QUERY_WORDS = """
    all alter and as asc begin between by case commit constraint create cross default delete desc
    distinct drop else end exists false foreign from full function group having if in index inner
    insert into is join key left like limit local not null offset on or order outer over partition
    primary references return right rollback select set table then true union unique update using
    values view when where while with
"""


class Lexer(NamedTuple):
    expression: re.Pattern[str]
    keywords: frozenset[str]


def _lexer(comment: str, *strings: str, keywords: str = KEYWORDS) -> Lexer:
    expression = f"(?P<c>{comment})|(?P<s>{'|'.join([*strings, STRING])})|{REST}"
    return Lexer(re.compile(expression), frozenset(keywords.split()))


_C, _SCRIPT, _PYTHON = _lexer(SLASHES), _lexer(SLASHES, TEMPLATE), _lexer(HASH, LONG_STRING)
_SHELL, _LUA = _lexer(HASH), _lexer(DASHES)
_SQL = _lexer(DASHES, keywords=f"{QUERY_WORDS} {QUERY_WORDS.upper()}")
_MARKUP = _lexer(r"<!--(?:[^-]|-(?!->))*+(?:-->)?", keywords="")
LEXERS = {
    **dict.fromkeys(("c", "cpp", "c++", "h", "java", "csharp", "cs", "c#", "go", "rust"), _C),
    **dict.fromkeys(("rs", "kotlin", "kt", "swift", "php", "scala", "dart", "css", "json"), _C),
    **dict.fromkeys(("javascript", "js", "jsx", "typescript", "ts", "tsx"), _SCRIPT),
    **dict.fromkeys(("python", "py", "python3", "toml"), _PYTHON),
    **dict.fromkeys(("bash", "sh", "shell", "zsh", "ruby", "rb", "r", "yaml", "yml"), _SHELL),
    **dict.fromkeys(("perl", "makefile", "dockerfile", "elixir"), _SHELL),
    **dict.fromkeys(("lua", "haskell", "hs"), _LUA),
    **dict.fromkeys(("html", "xml", "svg", "vue"), _MARKUP),
    "sql": _SQL,
}
PLAIN = Lexer(re.compile(r"(?!)"), frozenset())


def write_code(passage: Passage, language: str) -> None:
    """The passage, coloured where the language is a known one."""
    expression, keywords = LEXERS.get(language.lower(), PLAIN)
    at = 0
    for token in expression.finditer(passage.text):
        if passage.page.is_full:
            break
        name = str(token.lastgroup)
        if name == "word" and token[0] not in keywords:
            continue
        name = "k" if name == "word" else name
        passage.show(at, token.start())
        passage.show(token.start(), token.end(), name)
        at = token.end()
    passage.show(at, len(passage.text))
