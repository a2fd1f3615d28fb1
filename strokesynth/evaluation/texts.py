"""Test texts for a synthesizer: lines of five classes, and each printable ASCII character in its usual company.

Made by rule from a seed: the same seed gives the same texts, on every machine. Words, names and patterns are ours, and
others than those of `strokesynth.datasets.phrases`, of which training lines are composed.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

CLASSES = {
    "sentences": "plain sentences of 25 to 50 characters",
    "names": "names and addresses",
    "digits": "digits, dates and prices",
    "web": "e-mail addresses and URLs",
    "soup": "words among all ASCII punctuation",
}
"""The classes of lines, each with its description."""

CHARACTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits + string.punctuation
"""The 94 printable ASCII characters that leave ink."""


class Place(NamedTuple):
    """A text, and the index of the character that is examined in it."""

    text: str
    at: int


def lines(kind: str, count: int, seed: int) -> list[str]:
    """`count` different lines of one of `CLASSES`. Raises ValueError for another class or a negative count."""
    if kind not in _MAKERS:
        raise ValueError(f"there is no class of lines {kind!r}; there are {', '.join(_MAKERS)}")
    if count < 0:
        raise ValueError(f"count is {count}; expected at least 0")
    rng, make, (low, high) = Random(f"{seed} {kind}"), _MAKERS[kind](), _LENGTHS[kind]
    found: dict[str, None] = {}
    while len(found) < count:
        text = make(rng)
        if low <= len(text) <= high:
            found.setdefault(text)
    return list(found)


def places(character: str, count: int, seed: int) -> list[Place]:
    """`count` short texts in which one of `CHARACTERS` stands where it usually does: see `company`.

    Raises ValueError for another character or a negative count.
    """
    company(character)
    if count < 0:
        raise ValueError(f"count is {count}; expected at least 0")
    rng = Random(f"{seed} character {character}")
    result = []
    for k in range(count):
        text = _around(character, k, rng)
        found = [i for i, c in enumerate(text) if c == character]
        result.append(Place(text, rng.choice(found)))
    return result


def company(character: str) -> str:
    """A description of the company in which one of `CHARACTERS` is examined."""
    if len(character) != 1 or character not in CHARACTERS:
        raise ValueError(f"expected one of the printable ASCII characters but the blank, got {character!r}")
    if character in string.ascii_lowercase:
        return "words"
    if character in string.ascii_uppercase:
        return "starts of words, initials"
    if character in string.digits:
        return "numbers"
    return "code" if character in _CODE else "where it stands in text"


# --- words ------------------------------------------------------------------------------------------------

_SUBJECTS = """my grandmother|the old captain|our neighbour|the violin teacher|a young beekeeper|the gardener|
both cousins|the night porter|a stray kitten|the postmaster|my brother-in-law|the jeweller|nobody|the whole crew|
an expert|the vicar|her godfather|the quartermaster|a visitor|the zookeeper|somebody|the dressmaker|one of us|
the librarian|two sailors|the youngest pupil|a quarrelsome guest|the lighthouse keeper|our examiner|
the wizard""".replace("\n", "").split("|")
_VERBS = """repaired repair|borrowed borrow|painted paint|forgot forget|inspected inspect|described describe|
recognised recognise|weighed weigh|wrapped wrap|hid hide|admired admire|exchanged exchange|auctioned auction|
unlocked unlock|rebuilt rebuild|polished polish|squeezed squeeze|juggled juggle|mended mend|photographed photograph|
quoted quote|replaced replace|guarded guard|overlooked overlook|buried bury|sketched sketch|delivered deliver|
fixed fix|vandalised vandalise|knitted knit""".replace("\n", "").split("|")
_OBJECTS = """the broken kettle|a velvet waistcoat|seven lanterns|the parish bells|an antique globe|her umbrella|
the greenhouse|his moustache cup|a basket of quinces|the harpsichord|our canoe|the puzzle box|two oxen|a wax candle|
the spare axle|their bicycle|a jar of honey|the exhibition|some blackberries|a brass compass|the wooden bridge|
its engine|a pair of gloves|the telegraph pole|every window|the family portrait|a folding ruler|the weathercock|
an odd sock|a dozen tulips|the jukebox|a map of the moon""".replace("\n", "").split("|")
_ENDS = """before breakfast|without a word|last Thursday|in heavy rain|by candlelight|for the jubilee|after the flood|
on purpose|at half past six|with great care|under the stairs|twice a year|near the quay|despite the fog|in Devon|
as promised|all by herself|for a wager|once again|behind the barn""".replace("\n", "").split("|")
_OPENINGS = """Yesterday|In the evening|To our surprise|Quite often|Some years ago|Just then|Of course|Oddly enough|
By midnight|Under protest|For once|At Michaelmas""".replace("\n", "").split("|")
_ADJECTIVES = """splendid|peculiar|draughty|exquisite|hazy|jolly|muddy|quaint|vivid|ticklish|bewildering|
frozen""".replace("\n", "").split("|")
_NOUNS = """kettle lantern harvest orchard thimble pigeon cabbage saddle anchor mirror pillow lemon tunnel violet walnut
zipper jacket quilt yacht axle village uncle elbow button drawer fiddle goblet hammer icicle kennel rhubarb trumpet
xylophone""".split()

_FIRST = """Agnes Bruno Clara Dmitri Edith Fergus Gwen Harold Ingrid Jonas Katya Lionel Mabel Nigel Olive Piotr Queenie
Rupert Sonja Tobias Una Vincent Winifred Xerxes Yusuf Zora Albert Beatrix Cecil Dora Ernest Flora""".split()
_LAST = """Abbott Barlow Crawford Dunn Ellis Fairfax Goodwin Hughes Ibsen Jennings Knox Lindqvist Mercer Nash Oakley
Pemberton Quayle Rowe Sinclair Thorne Underwood Vickers Whitfield Xiang Yates Zimmermann McBride O'Hara
Fitz-Roy""".split()
_WAYS = """Lavender Lane|Orchard Court|Ferry Road|Chapel Walk|Quarry Mews|Juniper Drive|Abbey Gate|Windmill Rise|
Harbour Street|Zetland Terrace|Victoria Place|Kiln Yard|Upper Wharf|Beech Avenue|Foxglove Close|
Yew Tree Crescent""".replace("\n", "").split("|")
_TOWNS = """Kendal Bristol Aberdeen Swansea Galway Norwich Dundee Truro Halifax Jarrow Quimper Uppsala Valletta Windsor
Ypres Zwolle Exmouth Inverness Lisbon Odense""".split()
_MONTHS = """January February March April May June July August September October November December""".split()
_ENDINGS = "com org net co.uk eu de io info".split()


def _sentence(rng: Random) -> str:
    subject, things, end = rng.choice(_SUBJECTS), rng.choice(_OBJECTS), rng.choice(_ENDS)
    past, base = rng.choice(_VERBS).split()
    adjective, noun = rng.choice(_ADJECTIVES), rng.choice(_NOUNS)
    text = rng.choice(
        (
            f"{subject} {past} {things}.",
            f"{subject} {past} {things} {end}.",
            f"{rng.choice(_OPENINGS)}, {subject} {past} {things}.",
            f"did {subject} really {base} {things}?",
            f"please {base} {things} {end}.",
            f"thank you for {things}, dear {rng.choice(_FIRST)}.",
            f"we never {base} {things} {end}!",
            f"how {adjective} the {noun} was {end}!",
            f"what {adjective} {noun}s {subject} {past}!",
            f'"{base.capitalize()} {things}," said {subject}.',
            f"the {noun} isn't {adjective}; the {rng.choice(_NOUNS)} is.",
            f"{rng.choice(_FIRST)} and {rng.choice(_FIRST)} will {base} {things}.",
            f"why does a {noun} look so {adjective} {end}?",
        )
    )
    return text[:1].upper() + text[1:] if text[0] != '"' else text


def _named(rng: Random) -> str:
    first, last, town, way = (rng.choice(words) for words in (_FIRST, _LAST, _TOWNS, _WAYS))
    number, letters = rng.randrange(1, 300), rng.choices(string.ascii_uppercase, k=4)
    post = f"{letters[0]}{letters[1]}{rng.randrange(1, 30)} {rng.randrange(10)}{letters[2]}{letters[3]}"
    return rng.choice(
        (
            f"{rng.choice(('Mr.', 'Mrs.', 'Dr.', 'Prof.', 'Miss'))} {first} {last}",
            f"{first} {rng.choice(string.ascii_uppercase)}. {last}, {town}",
            f"{number} {way}, {town}",
            f"{first} {last}, {number} {way}",
            f"Flat {rng.randrange(1, 40)}, {number} {way}",
            f"{town} {post}",
            f"Messrs. {last} & {rng.choice(_LAST)}, {town}",
            f"To {first} and {rng.choice(_FIRST)} {last}",
            f"c/o {last}, {way}, {town}",
            f"{last}, {first} ({town})",
            f"{first} {last}-{rng.choice(_LAST)}, {rng.randrange(10000, 99999)} {town}",
        )
    )


def _numbers(rng: Random) -> str:
    def part() -> str:
        day, month, year = rng.randrange(1, 29), rng.randrange(1, 13), rng.randrange(1750, 2080)
        hour, minute, cents = rng.randrange(24), rng.randrange(60), rng.randrange(100)
        a, b = rng.randrange(2, 1000), rng.randrange(2, 100)
        long = "".join(rng.choices(string.digits, k=7))
        return rng.choice(
            (
                f"{day:02d}.{month:02d}.{year}",
                f"{month}/{day}/{year}",
                f"{year}-{month:02d}-{day:02d}",
                f"{day} {_MONTHS[month - 1]} {year}",
                f"{_MONTHS[month - 1]} {day}, {year}",
                f"${a}.{cents:02d}",
                f"${b},{a:03d}",
                f"{b}.{cents % 10}%",
                f"{hour:02d}:{minute:02d}",
                f"0{long[:3]} {long[3:]}",
                f"+{b} {long[:3]}-{long[3:]}",
                f"No. {a}{b}",
                f"{b} x {a}",
                f"{a} - {b} = {a - b}",
                f"{a} + {b} = {a + b}",
                f"{b} kg, {a} g",
                f"({a}) {long[:4]}",
                f"pp. {b}-{b + a}",
            )
        )

    return rng.choice((part(), f"{part()}, {part()}", f"{part()} and {part()}", f"{part()} / {part()}"))


def _web(rng: Random) -> str:
    first, last = rng.choice(_FIRST).lower(), rng.choice(_LAST).lower().replace("'", "")
    a, b, c = (rng.choice(_NOUNS) for _ in range(3))
    end, number = rng.choice(_ENDINGS), rng.randrange(1, 1000)
    host = rng.choice((f"{a}.{end}", f"{a}-{b}.{end}", f"{a}{number}.{end}", f"{b}.{a}.{end}"))
    return rng.choice(
        (
            f"{first}.{last}@{host}",
            f"{first[0]}{last}@{host}",
            f"{first}_{c}{number}@{host}",
            f"{first}+{c}@{host}",
            f"mailto:{c}@{host}",
            f"{c}-{number}@{host}",
            f"www.{host}",
            f"https://{host}/{c}",
            f"http://www.{host}/~{first}/",
            f"https://{host}/{c}?id={number}",
            f"{host}/{c}/{b}_{number}.pdf",
            f"https://{host}/{c}#{b}",
            f"{host}/?q={c}&n={number}",
        )
    )


class _Deck:
    """Draws things so that all of them come equally often."""

    def __init__(self, things: Sequence[str]) -> None:
        self.things, self.left = list(things), list[str]()

    def draw(self, rng: Random) -> str:
        if not self.left:
            self.left = rng.sample(self.things, len(self.things))
        return self.left.pop()


def _soup() -> Callable[[Random], str]:
    anything, marks, words = _Deck(CHARACTERS), _Deck(string.punctuation), _Deck(_NOUNS)

    def group(rng: Random) -> str:
        form = rng.choice(("any", "any", "after", "before", "around"))
        if form == "any":
            return "".join(anything.draw(rng) for _ in range(rng.randint(2, 4)))
        first = marks.draw(rng) if form != "after" else ""
        return first + words.draw(rng) + (marks.draw(rng) if form != "before" else "")

    def make(rng: Random) -> str:
        return " ".join(group(rng) for _ in range(rng.randint(3, 5)))

    return make


_MAKERS: dict[str, Callable[[], Callable[[Random], str]]] = {
    "sentences": lambda: _sentence,
    "names": lambda: _named,
    "digits": lambda: _numbers,
    "web": lambda: _web,
    "soup": _soup,
}
_LENGTHS = {"sentences": (25, 50), "names": (10, 45), "digits": (5, 45), "web": (10, 45), "soup": (12, 40)}

# --- single characters ------------------------------------------------------------------------------------

_CODE = "\\^_`{|}~<>[]="

# {a} and {b} are words, {n} and {m} numbers, {N} is a name.
_MARKS: dict[str, tuple[str, ...]] = {
    "!": ("mind the {a}!", "oh no, {N}!", "stop the {a}!"),
    '"': ('the "{a}" again', '"{N} and I"', 'no "{a}" or two'),
    "#": ("room #{n}", "#{n}, please", "see #{a}"),
    "$": ("only ${n}", "${n}.50 each", "the {a}: ${n}"),
    "%": ("{n}% of it", "about {n} %", "save {n}%"),
    "&": ("{N} & sons", "{a} & {b}", "the {a} & {n}"),
    "'": ("{N}'s {a}", "don't ask", "the {a} isn't", "it's my {a}"),
    "(": ("the {a} ({n})", "({a}) {b}", "see (page {n})"),
    ")": ("the {a} ({n})", "({a}) {b}", "{n}) the {a}"),
    "*": ("{n} * {m}", "the {a}*", "* {a} and {b}", "{n}*{m}"),
    "+": ("{n} + {m}", "{a} + {b}", "+{n} {m}00"),
    ",": ("{a}, {b}", "yes, the {a}", "{N}, my {a}", "{n},500"),
    "-": ("the {a}-{b}", "{n}-{m}", "well-made {a}", "{a} - {b}"),
    ".": ("my {a}.", "Dr. {N}", "{n}.{m}", "the {a} and {b}."),
    "/": ("{a}/{b}", "{n}/{m}", "and/or {a}", "the {a}/{n}"),
    ":": ("{a}: {b}", "at 10:{m}", "{N}: my {a}", "P.S.: {a}"),
    ";": ("{a}; {b}", "the {a}; so", "{n}; {m}"),
    "?": ("which {a}?", "and {N}?", "is it {n}?"),
    "@": ("{a}@{b}.org", "{N} @ home", "{n} @ $3", "@{a}"),
    "<": ("x < {n}", "<{a}>", "{n} < {m}", "<{a}@{b}.de>"),
    ">": ("x > {n}", "<{a}>", "{n} > {m}", "{a} > {b}"),
    "=": ("x = {n}", "{n} = {m}", "{a}={n}", "{a} = {b}"),
    "[": ("the {a} [{n}]", "[{a}]", "{a}[{n}]"),
    "]": ("the {a} [{n}]", "[{a}]", "{a}[{n}]"),
    "\\": ("C:\\{a}", "{a}\\{b}", "D:\\{a}\\{n}"),
    "^": ("x^2 + {n}", "{n}^3", "{a} ^ {b}"),
    "_": ("{a}_{b}", "{a}_{n}", "my_{a}"),
    "`": ("`{a}`", "run `{a}`", "`{n}` {a}"),
    "{": ("{{{n}, {m}}}", "{{ {a} }}", "{a} {{{n}}}"),
    "|": ("{a} | {b}", "|x| = {n}", "{n} | {m}"),
    "}": ("{{{n}, {m}}}", "{{ {a} }}", "{a} {{{n}}}"),
    "~": ("~{n} miles", "~/{a}", "{a} ~ {b}"),
}  # fmt: skip
_OWN_WORDS = sorted({w for text in (*_OBJECTS, *_ENDS, *_NOUNS) for w in text.split() if w.islower()})
_NUMBERED = ("in {x}", "{x} of {a}", "No. {x}", "${x}", "{x}.{n}", "{a} {x}", "{n}-{x}", "{x}:{m}", "{n}/{x}")


def _around(character: str, k: int, rng: Random) -> str:
    """The k-th text around a character; the patterns take turns."""
    a, b = (rng.choice([w for w in _NOUNS if character not in w]) for _ in range(2))
    n, m = rng.randrange(2, 100), rng.randrange(10, 60)
    name = rng.choice([w for w in (*_FIRST, *_TOWNS) if character not in w])
    if character in string.ascii_lowercase:
        word = rng.choice([w for w in _OWN_WORDS if character in w])
        return (f"the {word} {b}", f"{word} for {b}", f"{a} and {word}", f"{a}, {word}")[k % 4]
    if character in string.ascii_uppercase:
        names = [w for w in (*_FIRST, *_LAST, *_TOWNS) if w.startswith(character)]
        word = rng.choice(names + [w.capitalize() for w in _OWN_WORDS if w[0] == character.lower()])
        return (f"{word} and {name}", f"{word}, {a}", f"{character}. {name}", f"the {word} {a}")[k % 4]
    if character in string.digits:
        size = rng.randint(1, 4)
        digits = [rng.choice(string.digits.replace(character, "")) for _ in range(size)]
        digits[rng.randrange(size)] = character
        return _NUMBERED[k % len(_NUMBERED)].format(x="".join(digits), a=a, n=n, m=m)
    patterns = _MARKS[character]
    return patterns[k % len(patterns)].format(a=a, b=b, n=n, m=m, N=name)
