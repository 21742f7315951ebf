"""Texts that people read, and public names, keep to plain English: none holds a phrase that reads as translated."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("benchmark", "datasets", "features", "models", "leaderboard")
PHRASES = {
    re.compile(r"\bmend(s|ed|ing)?\b", re.IGNORECASE): "fix",
    re.compile(r"\b(?P<there>there )?(is|are|was|were) no\b(?! (longer|more|less|fewer)\b)", re.IGNORECASE): "is not a",
}
"""Phrases, and what to write in their place."""
NO_NOUNS = {"found", "known", "told", "said", "made", "chosen", "here", "there"}
"""Words that name nothing: a public name says what was found, told or made. ``is_known`` asks, and is fine."""


def relative(path):
    return path.relative_to(ROOT).as_posix()


def files(*patterns):
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def modules():
    return files(*(f"{room}/**/*.py" for room in ROOMS))


def pages():
    site = ("leaderboard/site/templates/*.j2", "leaderboard/site/static/*.js")
    docs = ("README.md", "CONTRIBUTING.md", "docs/**/*.md", "docs/scripts/*.py")
    return files(*docs, *site, "benchmark/cli/templates/*.txt", "benchmark/**/*.yaml", "features/*.yaml")


def phrases(text):
    """Yield each phrase of a text with what to write instead, whatever line breaks, quotes and '#' part its words."""
    plain = re.sub(r"[\s\"#]+", " ", text)
    for phrase, better in PHRASES.items():
        yield from (
            f"{plain[max(0, hit.start() - 40) : hit.end() + 20]!r}: write {better!r}"
            for hit in phrase.finditer(plain)
            if not hit.groupdict().get("there")  # 'there is no' is fine
        )


def public_names(body):
    """Yield names of public classes, functions, parameters, attributes and constants, those inside of classes too."""
    for node in body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
            yield from public_names(node.body)
        elif isinstance(node, ast.FunctionDef) and not re.match("_[^_]", node.name):
            yield node.name
            arguments = node.args
            yield from (a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))


def without_a_noun(names):
    for name in names:
        words = re.findall("[A-Z]?[a-z]+", name)
        if words and words[-1].lower() in NO_NOUNS and not name.startswith(("_", "is_")):
            yield name


def test_nothing_that_people_read_has_a_phrase_that_reads_as_translated():
    hits = {relative(path): list(phrases(path.read_text(encoding="utf-8"))) for path in (*modules(), *pages())}
    assert len(hits) > 300
    assert {path: found for path, found in hits.items() if found} == {}


def test_a_public_name_says_what_it_holds():
    trees = {relative(path): ast.parse(path.read_text(encoding="utf-8")) for path in modules()}
    hits = {path: list(without_a_noun(public_names(tree.body))) for path, tree in trees.items()}
    assert {path: found for path, found in hits.items() if found} == {}


def test_a_phrase_and_a_name_without_a_noun_are_seen():
    assert (
        len(list(phrases("Mend it. This is no\n# proof; a date 'are' \"\n    \"no number, and it was no\tsin."))) == 3
    )
    assert not list(
        phrases("There is no mask, there\nare no files, it is no longer here, and C is no more than chance.")
    )
    source = "class Found:\n    told: str\n    def known(self, here, _made, is_known): ...\nCHOSEN_SET = 1\n_made = 2\n"
    assert list(without_a_noun(public_names(ast.parse(source).body))) == ["Found", "told", "known", "here"]
