"""Clinical vocabulary in English, German, French, Spanish, Italian and Dutch.

Patterns match words as :func:`tokens` returns them: lower case, without accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from survbench.datasets.cards.card import TimeUnit

UNITS: dict[TimeUnit, str] = {
    "days": "days?|tagen?|tage?|jours?|dias?|giorn[oi]|dag(en)?",
    "weeks": "wks?|weeks?|wochen?|semaines?|semanas?|settiman[ae]|weken",
    "months": "mos?|mths?|mon|months?|monat(en?)?|mois|mes(es)?|mes[ei]|maand(en)?|mnds?|mies|miesi\\w+",
    "years": "yrs?|years?|jahr(en?)?|ans?|annees?|anos?|ann[oi]|jaar|jaren",
}
UNIT_LETTERS: dict[str, TimeUnit] = {"d": "days", "w": "weeks", "m": "months", "y": "years"}
"""The unit that a single letter at the end of a name means."""

FOLLOW_UP = (
    "follow|followup|followed|fu|fup|surv|survival|survie|suivi|recul|delai|supervivencia|sobrevida|seguimiento|"
    "sopravvivenza|overleving|opvolging|observation|observatie|observacion|osservazione|beobachtung|uberleben|"
    "ueberleben|"
    r"\w*(uberlebens|ueberlebens|beobachtungs|overlevings|opvolgings?|observations)(zeit|dauer|tijd|duur)?|"
    "gesamtuberleben|gesamtueberleben|nachbeobachtung"
)
DURATION = "time|times|t|tte|aval|duration|dauer|zeit|zeitraum|temps|duree|tiempo|duracion|tempo|durata|tijd|duur"
SINCE = "from|since|ab|seit|depuis|desde|dal|vanaf|sinds"
SURVIVAL = (
    "survival|surv|survie|uberleben|ueberleben|gesamtuberleben|gesamtueberleben|supervivencia|sobrevida|"
    "sopravvivenza|overleving"
)
TO_CONTACT = "last|letzter?|letzte[ns]?|dernier|dernieres?|ultim[oa]|laatste|contact|kontakt|news|nouvelles|visit|seen"
FILLERS = (
    "to|until|till|since|from|of|the|in|at|or|and|bis|seit|von|der|des|de|di|du|del|della|la|le|a|al|da|tot|sinds|van|het|i|x|n|"
    "overall|total|global|globale|complessiva|totale|patient|patients|months?|final|raw|calc|calculated|status|code|"
    "indicator|flag|is|has|had|ind|bin|binary|endpoint|outcome|primary|value|free|last|diagnosis|dx"
)

NEVER_A_TIME = {
    "an age": "age|ages|alter|alters|edad|eta|leeftijd",
    "about birth": "birth|born|dob|yob|geburt|geburts\\w*|geboren|naissance|naiss|nacimiento|nascita|geboorte\\w*",
    "a date": "dates?|datum|dat|fecha|data|\\w+datum",
    "a dose or a treatment": "dose|doses|dosis|dosi|dosage|gy|fractions?|chemo\\w*|radio\\w*|rt|treatment|therapy|"
    "therapie|"
    "tratamiento|terapia|traitement|behandeling|behandlung\\w*|surgery|op|hospital|stay|los|waiting",
    "an id": "id|ids|nr|no|number|numero|nummer|patid|pid|mrn",
    "of an examination": "echo|repetition|scan|scans|acquisition|uptake|injection|symptoms?|smoking|pack|packyears|"
    "delay|interval",
}
"""Words that rule a column out as the time, by what they say the column is instead."""

DEAD = (
    "dead|death|deaths|die|dies|died|dying|deceas\\w*|expired|demise\\w*|exitus|fatal|mort|morts|morte|morti|mortes|"
    "mort[oa]s?|dcd|verst|"
    "mortality|mortalitat|mortalite|mortalidad|mortalita|decedee?s?|deces|tot|tod|todes\\w*|\\w+tod|verstorb\\w*|"
    "gestorb\\w*|sterbe\\w*|muert\\w*|fallec\\w*|defuncion|murio|obito|decedut\\w*|decess\\w*|defunt\\w*|overled\\w*|"
    "overlijden|dood|gestorven|dod|doc|dotd|dooc|duc|docd"
)
ALIVE = (
    "alive|live|lives|living|survive|survived|survives|survivors?|surviving|lebt|lebend\\w*|leben|uberlebt\\w*|"
    "uberlebend\\w*|ueberlebt\\w*|ueberlebend\\w*|vivante?s?|vie|survivante?s?|viv[oaie]s?|vivente|viventi|vita|vida|"
    "sopravvissut\\w*|sobrevivi\\w*|levend\\w*|leven|leeft|ned|awd|aned|awod|anwd|ner"
)
RECURRENCE = (
    "progress|progressed|progression|progressions|progressing|progressive|progressiv|progressief|progressie|progredient"
    "|progresion|progreso|progressione|progredit\\w*|relaps\\w*|recurr?\\w*|recid\\w*|rezidiv\\w*|\\w+rezidiv\\w*|"
    "rechut\\w*|recaida\\w*|recay\\w*|ricadut\\w*|terugke\\w*|terugval"
)
DISEASE = (
    f"{RECURRENCE}|evolution|metasta\\w*|\\w+metasta\\w*|pd|awd|dod|docd|dotd|failure|failed|disease|diseased|"
    "krankheit\\w*|erkrankung|tumou?rs?|tumore|tumoral|cancer|krebs|maladie|enfermedad|malattia|ziekte|kanker|lesions?"
)
FREE_OF_DISEASE = (
    "ned|aned|awod|anwd|ner|cr|pr|sd|remission|stable|stabil|estable|stabile|stabiel|cured|geheilt|gueri|curado|"
    "guarito|genezen|remision|remissione|remissie|controlled"
)
EVENT = "event|events|evt|ereignis\\w*|evenement\\w*|evento|eventos|eventi|gebeurtenis\\w*"
LOST = "lost|ltfu|lfu|verloren|perdu[es]*|perdid[oa]s?|withdrawn|withdrew|dropouts?|ausgeschieden"
"""Words for leaving the study. As a code they mean censored; as a column, the others may be alive or dead."""
CENSORED = (
    "censored|censorship|cnsr|rightcensored|zensiert\\w*|censuree|censurad[oa]|censurat[oa]|gecensureerd|ongoing|"
    f"{LOST}"
)
CENSORING = "cens|censor|censors|censoring|zensur\\w*|zensierung\\w*|censure|censura|censuur"
"""Words for a censoring indicator: 1 means censored in some tables and an event in others."""
OTHER_CAUSE = "other|another|intercurrent|unrelated|competing|ander\\w*|autres?|otras?|altr[aei]|doc|dooc|duc"
STATUS = "status|state|zustand|statut|estado|stato|toestand"
VITAL = "vital|vitalstatus|vitals|vitales?|vitale"
OUTCOME = "outcome|result|ergebnis|resultado|esito|uitkomst|endpoint|endpunkt|censor\\w*"

NEGATION = (
    "no|not|non|none|never|without|free|nein|kein\\w*|nicht|ohne|frei|pas|sans|aucune?|jamais|sin|libre|ningun\\w*|nunca|"
    "senza|nessun\\w*|liber[oaie]|mai|geen|niet|zonder|vrij|nee"
)
NEGATED_AFTER = "free|frei\\w*|vrij\\w*|negative|negativ|absent|negatief"
NEGATED_LAST = "no|nein|non|none|nee|never"
NEGATED_INSIDE = "\\w+(frei|freie[rs]?|vrij|vrije|free)|un(censored|zensiert)|unprogressed"

WHOLE_EVENT = "delta|fstat|observed|e"
"""Words that mean an event only if they are the whole name."""
YES = frozenset(
    ["yes", "y", "true", "t", "ja", "j", "oui", "o", "vrai", "si", "s", "sim", "wahr", "verdadero", "vero", "waar"]
)
NO = frozenset(["no", "n", "false", "f", "nein", "non", "nao", "faux", "falso", "falsch", "nee", "onwaar"])
LETTERS_ALIVE = frozenset(["a", "l", "v"])
LETTERS_DEAD = frozenset(["d", "m"])

ENDPOINTS = (
    ("PFS", "composite", (r"pfs|pfi|progression ?free|progressionsfreie?s?|sans progression|ssp|libre de progresion|"
     "slp|libera da progressione|progressievrije?")),
    ("DMFS", "composite", r"dmfs|distant metasta\w+ free|fernmetastasenfreie?s?"),
    ("LRFS", "composite", r"lrfs|lrrfs|lfs|local\w*( regional)? (recurrence|relapse|failure) free"),
    ("MFS", "composite", r"mfs|metasta\w+ free|metastasenfreie?s?|sans metastase"),
    ("DFS", "composite", (r"dfs|dfi|disease ?free|krankheitsfreie?s?|sans maladie|libre de enfermedad|"
     "libera da malattia|ziektevrije?")),
    ("RFS", "composite", (r"rfs|(recurrence|relapse) ?free|rezidivfreie?s?|sans (recidive|rechute)|"
     "libre de (recidiva|recaida|recurrencia)|libera da (recidiva|ricaduta)|recidiefvrije?")),
    ("EFS", "composite", r"efs|event ?free|ereignisfreie?s?|sans evenement|libre de eventos?|libera da eventi"),
    ("FFS", "composite", r"ffs|failure ?free"),
    ("DSS", "specific", r"dss|css|pcss|(disease|cancer|cause|tumor) specific|krebsspezifische?s?"),
    ("TTP", "disease", r"ttp|time to progression|zeit bis progress\w*|delai (de|jusqu a la) progression"),
    ("TTR", "disease", r"ttr|time to (recurrence|relapse)|zeit bis (zum )?rezidiv"),
    ("LC", "disease", r"lc|local control|lokale kontrolle|controle locale"),
    ("LRC", "disease", r"lrc|locoregional control|loco regional control"),
    ("OS", "death", (r"os|overall surv\w*|gesamtuberleb\w*|gesamtueberleb\w*|survie globale|"
     r"(supervivencia|sobrevida) global|sopravvivenza (globale|complessiva)|(totale|algehele|algemene) overleving")),
)  # fmt: skip
"""Endpoints: name, what counts as an event (``death`` of any cause, ``composite`` of disease and death, ``disease``
alone, or ``specific``: death from the disease), and the pattern of the names that columns give them.
"""

BLANK = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "."})
"""Cells, in lower case, that are read as blank unless a card declares them as a level or a code."""
_MISSING = frozenset(
    """unknown|unk|not known|unkn|not available|not avail|not applicable|not reported|not recorded|not evaluated|
    not assessed|not done|not specified|not stated|not determined|not tested|unspecified|missing|no data|no information|
    undetermined|indeterminate|nsp|
    n d|n k|unbekannt|nicht bekannt|k a|ka|keine angabe|keine angaben|keine daten|fehlend|fehlt|nicht verfugbar|
    nicht erhoben|n b|inconnu|inconnue|non connu|non renseigne|non renseignee|non disponible|manquant|manquante|
    donnee manquante|desconocido|desconocida|sin dato|sin datos|no disponible|no consta|no informado|ns nc|
    sconosciuto|sconosciuta|non noto|non nota|non disponibile|mancante|onbekend|niet bekend|niet beschikbaar|
    ontbreekt|discrepancy|nil""".replace("\n", "")
    .replace("    ", "")
    .split("|")
)
_DATE = re.compile(
    r"(19|20)\d\d[-/.](\d{1,2}|[a-z]{3})[-/.]\d{1,2}([ t]\d\d:\d\d.*)?"
    r"|\d{1,2}[-/. ](\d{1,2}|[^\W\d]{3,})[-/. ](\d{4}|\d\d)( \d\d:\d\d.*)?"
    r"|[^\W\d]{3,} \d{1,2},? \d{4}",
    re.IGNORECASE,
)
_ERRORS = frozenset({"#n/a", "#value!", "#ref!", "#div/0!", "#num!", "#name?", "#null!", "#nv", "#wert!", "#bezug!"})
_SENTINEL = re.compile(r"-?(9{2,9}(\.9+)?|8{3,9}|7{3,9})|-9|-88|-77|-32768|-?1e\+?30|-?1e\+?38")
_SENTINELS_OF_CODES, _SENTINELS_OF_MEASUREMENTS = {9.0}, {-1.0, -8.0}


def tokens(text: str) -> list[str]:
    """Return the words of a name or a cell: lower case, without accents, split at capitals, digits and marks.

    >>> tokens("OSTime_months"), tokens("Überlebenszeit"), tokens("daysToDeath")
    (['os', 'time', 'months'], ['uberlebenszeit'], ['days', 'to', 'death'])
    """
    # only the accent distinguishes "censuré" (censored) from "censure" (censoring)
    text = re.sub(r"(censur)é(?![^\W\d_])", r"\1ee", unicodedata.normalize("NFC", text), flags=re.IGNORECASE)
    parts = re.sub(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-ZÀ-Þ])(?=[A-ZÀ-Þ][a-zß-ÿ]{2})", " ", text)
    return [piece for word in re.findall(r"[^\W\d_]+|\d+", without_accents(parts)) for piece in _pieces(word)]


def without_accents(text: str) -> str:
    """Return text in lower case and without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


_FUSED = re.compile(
    r"(os|pfs|dfs|rfs|efs|dss|css|dmfs|mfs|lrfs|lrc|ttp|surv|survival|follow|followup|fu|progression|vital|death|dead|"
    r"event|\w*(?:uberlebens|ueberlebens|beobachtungs))"
    rf"(time|status|stat|event|evt|code|up|surv|survival|free|cens|censor|censored|cnsr|{'|'.join(UNITS.values())})"
)


def _pieces(word: str) -> list[str]:
    found = _FUSED.fullmatch(word)
    return [found[1], "status" if found[2] == "stat" else found[2]] if found else [word]


def is_word(word: str, pattern: str) -> bool:
    """Return whether a word belongs to a vocabulary of this module."""
    return re.fullmatch(pattern, word) is not None


def has(words: Sequence[str], pattern: str) -> bool:
    """Return whether at least one of the words belongs to a vocabulary."""
    return any(is_word(word, pattern) for word in words)


# "none" is an answer where a disease is asked for; a cell without words is handled as marks
_BLANK_IN_WORDS = frozenset(" ".join(tokens(cell)) for cell in BLANK) - {"none", ""}


def means_missing(cell: str) -> bool:
    """Return whether a cell says, in words or marks, that its value is not known.

    >>> [means_missing(c) for c in ("[Not Available]", "'--", "k.A.", "#N/A", "<unknown>")]
    [True, True, True, True, True]
    >>> [means_missing(c) for c in ("no", "NED", "N0", "none of these")]
    [False, False, False, False]
    """
    return (
        cell.casefold() in _ERRORS
        or re.fullmatch(r"[-\u2013\u2014?*._/\\ '\"]+", cell) is not None
        or (not cell.startswith("#") and " ".join(tokens(cell)) in _MISSING | _BLANK_IN_WORDS)
    )


def is_sentinel(value: float, *, among_codes: bool) -> bool:
    """Return whether a number is one that questionnaires, databases and programs use for "not known".

    Args:
        value: the number.
        among_codes: whether the column may hold codes such as 0 and 1, where 9 often means "not known" and -1 is an
            ordinary code. Among measurements, -1 means "not known" and 9 is an ordinary value.

    >>> [is_sentinel(v, among_codes=True) for v in (-999, 99999, 888, 99.9, -32768, 1e30, 9, -1)]
    [True, True, True, True, True, True, True, False]
    >>> [is_sentinel(v, among_codes=False) for v in (-999, 99999, 888, 99.9, -32768, 1e30, 9, -1)]
    [True, True, True, True, True, True, False, True]
    """
    more = _SENTINELS_OF_CODES if among_codes else _SENTINELS_OF_MEASUREMENTS
    return value in more or _SENTINEL.fullmatch(f"{value:.12g}") is not None


def is_date(cell: str) -> bool:
    """Return whether a cell is a date, with or without a time of day.

    >>> [is_date(c) for c in ("2019-03-12", "12.03.2019", "12-Mar-19", "12", "1,5")]
    [True, True, True, False, False]
    """
    return _DATE.fullmatch(cell) is not None


def unit_of(text: str) -> TimeUnit | None:
    """Return the unit of time that a name states: days, weeks, months or years."""
    words = tokens(text)
    for unit, pattern in UNITS.items():
        if has(words, pattern):
            return unit
    last = words[-1] if len(words) > 1 else ""
    return UNIT_LETTERS.get(last)


def endpoints_in(text: str) -> list[tuple[str, str]]:
    """Return the endpoints in a column's name and what counts as the event of each."""
    joined = " ".join(tokens(text))
    return [(name, kind) for name, kind, pattern in ENDPOINTS if re.search(rf"\b({pattern})\b", joined)]


def endpoint_of(text: str) -> tuple[str, str] | None:
    """Return the first endpoint in a column's name, or None; see :func:`endpoints_in`."""
    return next(iter(endpoints_in(text)), None)
