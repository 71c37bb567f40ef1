"""From `tmux capture-pane -e -N -p` on standard input to an SVG of that terminal on standard output.

The pictures of docs/tui.md are made with it:

    tmux capture-pane -e -N -p -t SESSION | python3 docs/pictures/capture.py > docs/pictures/NAME.svg
"""

import html
import re
import sys
import unicodedata

CELL, LINE, MARGIN = 8.4, 18, 12
FOREGROUND, BACKGROUND = "#d8dee9", "#1d2129"
COLOURS = ["#2e3440", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d8dee9"]


def columns(character):
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def words(text):
    """Words with their columns: spaces between them are nothing to be drawn."""
    for word in re.finditer(r"\S+(?: \S+)*", text):
        before = sum(columns(character) for character in text[: word.start()])
        yield before, word.group()


def runs(line, style):
    """Texts of one style, each with it; the style goes on in the next line."""
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if not part.startswith("\x1b["):
            if part:
                yield part, dict(style)
            continue
        codes = [int(code or 0) for code in part[2:-1].split(";")]
        if codes[:2] == [38, 5]:
            style["colour"] = COLOURS[codes[2] % 8]
            continue
        for code in codes:
            if code == 0:
                style.clear()
            elif code in (1, 2, 4, 7):
                style[code] = True
            elif code in (22, 24, 27):
                for off in {22: (1, 2), 24: (4,), 27: (7,)}[code]:
                    style.pop(off, None)
            elif 30 <= code <= 37:
                style["colour"] = COLOURS[code - 30]
            elif 90 <= code <= 97:
                style["colour"] = COLOURS[code - 90]
            elif code == 39:
                style.pop("colour", None)


def main():
    lines = sys.stdin.read().rstrip("\n").split("\n")
    style, shapes, widest = {}, [], 0
    for row, line in enumerate(lines):
        column, y = 0, MARGIN + row * LINE
        for text, look in runs(line, style):
            wide = sum(columns(character) for character in text)
            x, width = MARGIN + column * CELL, wide * CELL
            colour, behind = look.get("colour", FOREGROUND), BACKGROUND
            if look.get(7):
                colour, behind = behind, colour
            if behind != BACKGROUND:
                shapes.append(f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{LINE}" fill="{behind}"/>')
            more = ' font-weight="bold"' if look.get(1) else ""
            more += ' opacity="0.65"' if look.get(2) and not look.get(7) else ""
            more += ' text-decoration="underline"' if look.get(4) else ""
            for before, word in words(text):
                long = sum(columns(character) for character in word) * CELL
                shapes.append(
                    f'<text x="{x + before * CELL:.1f}" y="{y + 13}" textLength="{long:.1f}" '
                    f'lengthAdjust="spacingAndGlyphs" fill="{colour}"{more}>{html.escape(word)}</text>'
                )
            column += wide
        widest = max(widest, column)
    width, height = MARGIN * 2 + widest * CELL, MARGIN * 2 + len(lines) * LINE
    print(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" font-size="14" xml:space="preserve" '
        f'font-family="ui-monospace, Menlo, Consolas, \'DejaVu Sans Mono\', monospace">'
    )
    print(f'<rect width="{width:.0f}" height="{height}" rx="6" fill="{BACKGROUND}"/>')
    print("\n".join(shapes))
    print("</svg>")


main()
