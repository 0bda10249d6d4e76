"""What models write is laid out."""

import pytest

from annotation.templatetags.text import direction as direction_of
from annotation.templatetags.text import markdown
from tests.pages.desk import seen


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# One\n\n## Two ##\n\nThree\n=====", "<h3>One</h3><h4>Two </h4><h3>Three</h3>"),
        ("**bold** and *italic* _too_", "<strong>bold</strong> and <em>italic</em> <em>too</em>"),
        ("***both*** ~~gone~~", "<em><strong>both</strong></em> <s>gone</s>"),
        ("***a** b*", "<em><strong>a</strong> b</em>"),
        ("天空是**蓝色**的", "天空是<strong>蓝色</strong>的"),
        ("**注意：**内容", "<strong>注意：</strong>内容"),
        ("`a*b*c` ``x`y``", "<code>a*b*c</code> <code>x`y</code>"),
        ("- a\n- b\n  - c", "<ul><li>a</li><li>b<ul><li>c</li></ul></li></ul>"),
        ("1. a\n  - b", '<ol><li><span class="number">1.</span>a<ul><li>b</li></ul></li></ol>'),
        ("- a\n\n  more", "<ul><li>a<p>more</p></li></ul>"),
        ("> a\n> b\n>\n> c", "<blockquote><p>a\nb</p><p>c</p></blockquote>"),
        ("a\n\n---\n\nb", "<p>a</p><div><hr></div><p>b</p>"),
        ("a\nb", "<p>a\nb</p>"),
        ("    x = 1", "<pre><code>    x = 1</code></pre>"),
        ("> ```\n> a\n> b\n> ```", "<blockquote><pre><code>a\nb</code></pre></blockquote>"),
        ("a | b\n--|--\n1 | 2", "<tr><th>a</th><th>b</th></tr>"),
        ("Steps:\n1. a", '<p>Steps:</p><ol><li><span class="number">1.</span>a</li></ol>'),
    ],
)
def test_markdown_is_laid_out(text: str, html: str) -> None:
    assert html in seen(markdown(text))


@pytest.mark.parametrize(
    ("code", "coloured"),
    [
        ("python\ndef f(): return 'x'  # y", ["k>def", "k>return", "s>'x'", "c># y"]),
        ('python\n"""a\nb""" + 1.5', ['s>"""a\nb"""', "m>1.5"]),
        ("c\nint x = 0x1F; /* a\nb */ // c", ["k>int", "m>0x1F", "c>/* a\nb */", "c>// c"]),
        ("sql\nSELECT a FROM b -- c", ["k>SELECT", "k>FROM", "c>-- c"]),
        ("html\n<!-- a --><b>", ["c>&lt;!-- a --&gt;"]),
        ("js\nconst a = `b\nc`", ["k>const", "s>`b\nc`"]),
    ],
)
def test_code_of_usual_languages_is_coloured(code: str, coloured: list[str]) -> None:
    html = markdown(f"```{code}\n```")
    for part in coloured:
        assert part.replace(">", '">', 1) in html


def test_a_link_leads_out_without_a_word_of_where_it_was() -> None:
    html = markdown("[out](https://a.example/?a=1&b=2)")
    assert 'href="https://a.example/?a=1&amp;b=2"' in html
    assert 'rel="noopener nofollow noreferrer"' in html


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("Python هي لغة برمجة عالية المستوى", "rtl"),
        ("The word سلام means peace", "ltr"),
        ("https://a.example/b/c/d/e هذا رابط", "rtl"),
        ("Django إطار", "rtl"),
        ("hello", "ltr"),
        ("שלום world שלום", "rtl"),
        ("123", "auto"),
    ],
)
def test_a_text_runs_as_most_of_its_words_do(text: str, direction: str) -> None:
    assert direction_of(text) == direction


def test_each_block_runs_as_most_of_its_own_words_do() -> None:
    html = markdown(
        "Python هي لغة برمجة\n\nEnglish here.\n\n- Django إطار عمل\n\n| a | لغة |\n|-|-|"
    )
    assert '<p dir="rtl">Python' in html
    assert '<p dir="ltr">English' in html
    assert '<li dir="rtl">' in html
    assert '<th dir="ltr">' in html
    assert "dir=" not in markdown("English here.")
