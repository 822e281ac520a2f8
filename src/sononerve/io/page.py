"""A page that opens from disk in any browser, in light and dark: one style for all that sononerve shows."""

from __future__ import annotations

from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --ground: #fff; --line: #bbb; --warn: #fff3cd; --warn-ink: #5c4400 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --ground: #16181c; --line: #555; --warn: #4a3b00; --warn-ink: #ffe9a8 }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground); max-width: 70rem;
  margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } caption { text-align: left; font-weight: 600 }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem; text-align: right } th:first-child,
td:first-child, .told td { text-align: left } .wide { overflow-x: auto }
.warning { background: var(--warn); color: var(--warn-ink); padding: .6rem 1rem; border-radius: .4rem; margin: .5rem 0 }
img { max-width: 100%; height: auto; border-radius: .3rem } figure { margin: 1.5rem 0 }
figcaption { font-size: .9rem } footer { margin: 3rem 0; font-size: .9rem; border-top: 1px solid var(--line) }
"""


def document(title: str, body: str) -> str:
    """A whole page: its title as text, its ``body`` as HTML below the title."""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1>
{body}
</body></html>
"""


def warnings(sentences: list[str]) -> str:
    """Warnings as HTML, one box each."""
    return "".join(f'<p class="warning">{escape(sentence)}</p>' for sentence in sentences)


def figure(path: str, caption: str) -> str:
    """A picture beside the page, with its caption."""
    return (
        f'<figure><img src="{escape(path)}" alt="{escape(caption)}" loading="lazy">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
