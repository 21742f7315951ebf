"""Escape text for LaTeX: printed as it is, with the standard fonts, and with nothing in it executed."""

from __future__ import annotations

import re
import unicodedata

GREEK = "αβγδεζηθικλμνξπρςστυφχψωΓΔΘΛΞΠΣΥΦΨΩ"
GREEK_NAMES = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho varsigma sigma tau upsilon "
    "varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
COMMANDS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "|": "$|$", '"': "''", "`": r"\`{}",
    "–": "--", "—": "---", "‐": "-", "‑": "-", "−": "$-$", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\dots{}",
    "×": r"$\times$", "÷": r"$\div$", "·": r"$\cdot$", "±": r"$\pm$", "≤": r"$\leq$", "≥": r"$\geq$", "≠": r"$\neq$",
    "≈": r"$\approx$", "∞": r"$\infty$", "→": r"$\rightarrow$", "°": r"$^{\circ}$", "µ": r"$\mu$", "§": r"\S{}",
    "©": r"\copyright{}", "£": r"\pounds{}", "ß": r"\ss{}", "æ": r"\ae{}", "Æ": r"\AE{}", "œ": r"\oe{}", "Œ": r"\OE{}",
    "ø": r"\o{}", "Ø": r"\O{}", "ł": r"\l{}", "Ł": r"\L{}", "ı": r"\i{}", "ο": "o",
    **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧ", "ABEZHIKMNOPTX", strict=True)),
    **{letter: rf"$\{name}$" for letter, name in zip(GREEK, GREEK_NAMES.split(), strict=True)},
}  # fmt: skip
ACCENTS = {
    0x300: "`", 0x301: "'", 0x302: "^", 0x303: "~", 0x304: "=", 0x306: "u", 0x307: ".", 0x308: '"', 0x30A: "r",
    0x30B: "H", 0x30C: "v", 0x323: "d", 0x327: "c", 0x331: "b",
}  # fmt: skip
"""Combining marks available in the standard fonts."""
RAISED = {"<super>": "textsuperscript", "<sub>": "textsubscript"}
MINUS = re.compile(r"(?<![\w–—-])-(?=\d)")
"""A hyphen that is the sign of a number."""
LIGATURE = re.compile(r"(?<=[-–—'‘’“”\"?!,])(?=[-–—'‘’“”\"?!,])")
"""Matches between two characters that the fonts may join into a ligature."""


def tex(text: str) -> str:
    r"""Return text on one line that LaTeX prints as it is, with the standard fonts and nothing executed.

    A hyphen before a number is printed as a minus sign. A character missing from the standard fonts is printed as its
        code.

    >>> tex("-5 % of Müller_1")
    '$-$5 \\% of M\\"{u}ller\\_1'
    """
    one_line = MINUS.sub("−", unicodedata.normalize("NFC", " ".join(text.split())))
    return "{}".join("".join(map(_character, part)) for part in LIGATURE.split(one_line))


def _character(character: str) -> str:
    if character in COMMANDS:
        return COMMANDS[character]
    if character.isascii():
        return character if character.isprintable() else ""
    kind, *codes = unicodedata.decomposition(character).split() or [""]
    if kind in RAISED:
        return rf"\{RAISED[kind]}{{{tex(''.join(chr(int(code, 16)) for code in codes))}}}"
    base, *marks = list(unicodedata.normalize("NFD", character))
    if base.isascii() and len(marks) == 1 and ord(marks[0]) in ACCENTS:
        letter = {"i": r"\i", "j": r"\j"}.get(base, base)
        return rf"\{ACCENTS[ord(marks[0])]}{{{letter}}}"
    return rf"[U+{ord(character):04X}]\allowbreak{{}}"
