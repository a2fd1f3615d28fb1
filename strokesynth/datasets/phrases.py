"""Short texts by rule, in which every printable ASCII character occurs the way people write it.

They are dates, prices, phone numbers, addresses, e-mail, web addresses and code, of which corpora of prose have too
little. The words are our own small lists; nothing is taken from a handwriting database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

WORDS = """about after again all always and another any apple around ask away back bad ball bank bed before
begin best better big bird black blue board boat body book both box boy bread bring brown bus buy call camp
can car card care cat chair check child city class clean clear clock close cloud coat coffee cold come cook
cool corner could cross cup cut dance dark day deep desk dinner dog door down draw dress drink drive dry
early earth easy eat egg eight end enough even evening every exact excuse eye face fact fair fall family far
farm fast father few field find fine fire first fish five fix flat floor flower fly food foot for four free
fresh friend from front fruit full game garden get girl give glad glass go gold good grass gray great green
ground grow guess hair half hand happy hard have hay head hear heavy help here high hill hold home hope
horse hot hour house how hundred ice idea inside jacket job join joke judge jump junk just keep key kind
king kitchen know lake lamp land large last late laugh lazy leaf learn leave left letter life light like
line list little live long look love low lunch machine mail make many map mark market maybe meal mean meet
milk mind minute mix money month moon more morning most mountain mouth move much music name near neck need
never new next nice night nine noise north nothing now number ocean off office often old once one only open
orange order other our out over page paint paper park part party past pay peace pen people phone photo piano
piece place plan plant play please point pool post power price print prize pull push quick quiet quite quiz
rain read ready red rest rice rich ride right river road rock room round row run sad safe sail salt same
sand say school sea seat second see seven shall sharp she ship shirt shoe shop short show side sign sing
sister sit six size sky sleep slow small smile smoke snow soft some song soon sound soup south speak spell
spring square stand star start stay step stone stop store storm story street strong sugar summer sun sure
sweet swim table take talk tall taste tax tea teach team tell ten test than thank that the then there thick
thin thing think this three through ticket time tired today together tomorrow too top town train tree trip
true try turn two under until up use usual valley very view visit voice wait walk wall want warm wash watch
water way weather week well west wet what wheel when where which while white why wide wind window winter
wish with wood word work world write wrong year yellow yes yet young your zero zone zoo""".split()

NAMES = """Ada Alex Anna Ben Bob Carla Chloe Cleo Dan Diana Doris Emil Emma Eva Felix Fiona Frank Gina Greg
Hanna Hugo Ida Igor Iris Ivan Jack Jane Jim Julia Kai Karl Kate Kim Lara Leo Lily Liz Lou Max Maya Mia Mike
Nina Noah Nora Olga Oscar Otto Paul Petra Phil Quentin Quinn Rita Rob Rosa Ruth Sam Sara Sofia Theo Tim Tom
Uma Ursula Vera Victor Viola Walter Wanda Will Xander Xavier Xenia Yara Yuri Yvonne Zack Zelda
Zoe""".split()
SURNAMES = """Adams Baker Brown Clark Cox Davis Dixon Evans Fox Garcia Green Hall Hayes Hill Jones Keller
King Klein Kowalski Lopez Marquez Martin Meyer Moore Novak O'Brien O'Neill Ortiz Park Perez Quick Quigley
Reed Rossi Schmidt Schwartz Silva Smith Taylor Vazquez Vega Walsh Weber White Wolff Wright Xu Young Zhang
Ziegler""".split()
PLACES = """Amsterdam Basel Berlin Boston Cairo Chicago Dover Essex Exeter Florence Geneva Hamburg Houston
Jersey Kyoto Leeds London Lyon Madrid Mexico Naples Oslo Oxford Paris Prague Quebec Quito Rome Sydney Texas
Turin Utrecht Venice Vienna Warsaw Xanten York Zagreb Zurich""".split()
STREETS = """Baker Bridge Castle Church Dock Elm Forest Garden High Hill Jubilee King Lake Main Market Mill
North Oak Park Queen River School Station Union Valley Water York Zoo""".split()
MONTHS = """January February March April May June July August September October November December""".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
VARIABLES = "a b c d e f g h i j k m n p q r s t u v w x y z n0 x1 y2 key sum row col idx tmp ptr".split()


def phrase(rng: Random) -> str:
    """Make one text of some 3 to 45 printable ASCII characters, of a kind chosen by chance."""
    (kind,) = rng.choices(_KINDS, _WEIGHTS)
    return kind(rng)


def phrase_with(rng: Random, character: str) -> str:
    """Make a short text in which ``character`` joins or marks one or two words."""
    a, b = _one(rng, WORDS), _one(rng, WORDS)
    c = character
    return _one(
        rng,
        (f"{a}{c}{b}", f"{a} {c} {b}", f"{c}{a}{c}", f"{c}{a}", f"{a}{c}", f"{c} {a}", f"{c}{_count(rng)}"),
    )


def plain(rng: Random, characters: frozenset[str]) -> str:
    """Make a word, name or number of ``characters``; any of them at random if they hardly make a word."""
    for _ in range(30):
        word = _one(
            rng,
            (
                _one(rng, WORDS),
                _one(rng, NAMES),
                _one(rng, WORDS).upper(),
                _one(rng, PLACES).upper(),
                _count(rng),
            ),
        )
        if characters.issuperset(word):
            return word
    return "".join(rng.choices(sorted(characters), k=rng.randint(2, 6)))


def soup(rng: Random, characters: Sequence[str]) -> str:
    """Make groups of ``characters`` in any order, 8 to 27 characters with the blanks."""
    return " ".join("".join(rng.choices(characters, k=rng.randint(2, 6))) for _ in range(rng.randint(3, 4)))


def _one(rng: Random, items: Sequence[str]) -> str:
    return items[int(rng.random() * len(items))]


def _number(rng: Random, digits: int) -> str:
    return "".join(rng.choices("0123456789", k=digits))


def _count(rng: Random) -> str:
    return str(rng.randrange(1, 10 ** rng.randrange(1, 5)))


def _words(rng: Random, low: int, high: int) -> list[str]:
    return [_one(rng, WORDS) for _ in range(rng.randint(low, high))]


def _phone(rng: Random) -> str:
    a, b, c = _number(rng, 3), _number(rng, 3), _number(rng, 4)
    forms = (
        f"({a}) {b}-{c}",
        f"+{rng.randrange(1, 99)} {a} {b} {c}",
        f"{a}-{b}-{c}",
        f"0{a}/{b}{c}",
        f"{a}.{b}.{c}",
        f"Tel. +{rng.randrange(1, 99)} ({a}) {c}",
        f"#{b} *{a}#",
        f"call {a}-{c} ext. {rng.randrange(10, 99)}",
    )
    return _one(rng, forms)


def _date(rng: Random) -> str:
    day, month, year = rng.randrange(1, 32), rng.randrange(1, 13), rng.randrange(1800, 2100)
    name = MONTHS[month - 1]
    forms = (
        f"{day:02d}/{month:02d}/{year}",
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{day}.{month}.{year}",
        f"{year}-{month:02d}-{day:02d}",
        f"{_one(rng, DAYS)}, {day} {name[:3]} '{year % 100:02d}",
        f"{_one(rng, DAYS)[:3]} {month}/{day}",
        f"({year}-{year + day})",
    )
    return _one(rng, forms)


def _time(rng: Random) -> str:
    hour, minute = rng.randrange(0, 24), rng.randrange(0, 60)
    forms = (
        f"{hour}:{minute:02d}",
        f"at {hour:02d}:{minute:02d}:{rng.randrange(0, 60):02d}",
        f"{hour % 12 + 1}:{minute:02d} pm",
        f"{hour}:{minute:02d} - {(hour + 2) % 24}:{minute:02d}",
        f"~{hour} h {minute} min",
    )
    return _one(rng, forms)


def _price(rng: Random) -> str:
    whole, cents, thing = _count(rng), _number(rng, 2), _one(rng, WORDS)
    forms = (
        f"${whole}.{cents}",
        f"{rng.randrange(1, 101)}%",
        f"{thing}: ${whole}",
        f"${whole},{_number(rng, 3)}",
        f"-{rng.randrange(5, 95)}% on {thing}",
        f"{rng.randrange(2, 9)} x ${whole}.{cents} = ${_count(rng)}",
        f"{thing} @ ${whole}.{cents}",
        f"{rng.randrange(1, 99)}.{cents[0]}% & {rng.randrange(1, 99)}%",
        f"{rng.randrange(2, 99)} {thing}s (${whole})",
        f"Total: {whole}.{cents} $",
    )
    return _one(rng, forms)


def _sum(rng: Random) -> str:
    a, b = rng.randrange(1, 1000), rng.randrange(1, 100)
    forms = (
        f"{a} + {b} = {a + b}",
        f"{a} - {b} = {a - b}",
        f"{a} * {b} = {a * b}",
        f"{a}/{b} > {a // b}",
        f"{b}^2 = {b * b}",
        f"x = {a}, y < {b}",
        f"{a} <= x",
        f"|x| < {b}",
        f"~{a / b:.2f}",
        f"2^{b} + {a}",
        f"{b}/{b + 1} = {b / (b + 1):.3f}",
        f"X = {{{a}, {b}}}",
        f"[{b}, {a + b}]",
        f"f(x) = {b}x + {a}",
        f"{a} >> {b % 8}",
    )
    return _one(rng, forms)


def _address(rng: Random) -> str:
    street, place, number = _one(rng, STREETS), _one(rng, PLACES), rng.randrange(1, 400)
    letters = "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ", k=4))
    forms = (
        f"{number} {street} St",
        f"{number} {street} St, {place}",
        f"{place}, {letters[:2]}{number % 20} {number % 9}{letters[2:]}",
        f"{number}{letters[0].lower()} {street} Rd.",
        f"{street} Ave. #{number}",
        f"P.O. Box {number}, {place}",
        f"{place} {_number(rng, 5)}",
        f"c/o {_name(rng)}",
        f"{letters[:2]}-{_number(rng, 4)} {place}",
        f"{letters} {_number(rng, 3)}",
    )
    return _one(rng, forms)


def _name(rng: Random) -> str:
    first, last = _one(rng, NAMES), _one(rng, SURNAMES)
    forms = (
        f"{first} {last}",
        f"{first[0]}. {last}",
        f"Dr. {last}",
        f"{last}, {first}",
        f"{first} {_one(rng, NAMES)[0]}. {last}",
        f"{first} & {_one(rng, NAMES)}",
        f"Mr. {last}",
        f"Ms. {first} {last}",
        f"{first} {last}-{_one(rng, SURNAMES)}",
    )
    return _one(rng, forms)


def _user(rng: Random) -> str:
    a, b = _one(rng, NAMES).lower(), _one(rng, WORDS)
    return _one(
        rng,
        (
            f"{a}.{b}",
            f"{a}_{b}",
            f"{b}-{a[0]}",
            f"{a}{rng.randrange(1, 100)}",
            f"{a[0]}_{b}{rng.randrange(0, 10)}",
            b,
        ),
    )


def _domain(rng: Random) -> str:
    end = _one(rng, ("com", "org", "net", "edu", "co.uk", "de", "fr", "io", "info", "ch", "xyz"))
    return f"{_one(rng, WORDS)}{_one(rng, ('', '-' + _one(rng, WORDS), str(rng.randrange(1, 100))))}.{end}"


def _email(rng: Random) -> str:
    address = f"{_user(rng)}@{_domain(rng)}"
    return _one(
        rng,
        (
            address,
            address,
            f"<{address}>",
            f"e-mail: {address}",
            f"@{_user(rng)}",
            f"{_one(rng, NAMES)} <{_user(rng)}@x.org>",
        ),
    )


def _url(rng: Random) -> str:
    a, b, n = _one(rng, WORDS), _one(rng, WORDS), rng.randrange(1, 100)
    tail = (
        f"/{a}",
        f"/~{_user(rng)}",
        f"/{a}?{b[0]}={n}",
        f"/{a}?q={b}&n={n}#{a[0]}",
        f"/{a}_{b}.html",
        f"/{a}/{b}/{n}",
        f"/?x={n}%20{a}",
    )
    head = ("https://", "http://", "www.", "https://www.", "ftp://")
    return _one(
        rng,
        (
            _one(rng, head) + _domain(rng) + _one(rng, tail),
            _one(rng, head) + _domain(rng),
            f"C:\\{a}\\{b}.txt",
            f"\\\\{a}\\{b}_{n}",
            f"/usr/{a}/{b}-{n}.{n % 10}",
            f"~/{a}/{b}*.py",
        ),
    )


def _code(rng: Random) -> str:
    v = [_one(rng, VARIABLES) for _ in range(4)]
    n, m, word = rng.randrange(0, 100), rng.randrange(2, 10), _one(rng, WORDS)
    forms = (
        f"{v[0]} = {v[1]}[{v[2]}] + {{{v[3]}*{m}}}",
        f"if ({v[0]}<={n}) && !{v[1]}",
        f'{v[0]}[{n}] = "{word}";',
        f"{v[0]} += {v[1]} % {m};",
        f"while ({v[0]} > {n}) {{ {v[1]}--; }}",
        f"#define {word.upper()} {n}",
        f"print('{word}', {v[0]})",
        f"{v[0]} = {v[1]} ? {n} : {m}",
        f"`{word} -{v[0][0]} {n}`",
        f"{v[0]} | {v[1]} & ~{v[2]} ^ {m}",
        f"$ {word} --{_one(rng, WORDS)}={n}",
        f'{{"{word}": [{n}, {m}]}}',
        f"for {v[0]} in [{m}, {n}]:",
        f"{v[0]}->{v[1]} != NULL",
        f"def {word}({v[0]}, *{v[1]}):",
        f'<{v[0]} id="{word}">',
        f"</{word}>",
        f"echo ${word.upper()} > {v[0]}.txt",
        f"{v[0]} == {v[1]} || {v[2]} >= {m}",
        f"@{word} # {_one(rng, WORDS)}",
        f"\\{word}{{{v[0]}_{m}^{v[1][0]}}}",
        f"{v[0]} ~ `{word}`",
        f"[{v[0]} | {v[1]}] = {{}}",
        "'\\n' + \"\\t\"",
        f"^[a-z]+\\.{word}$",
    )
    return _one(rng, forms)


def _quoted(rng: Random) -> str:
    inside = " ".join(_words(rng, 1, 3))
    pair = _one(rng, ('""', "''", "()", "[]", "{}", "<>", "**", "__", "``", "||", "//", "~~"))
    left, right = pair[0], pair[1]
    before, after = _one(rng, WORDS), _one(rng, ("", ".", ",", "!", "?", ":", ";"))
    return _one(
        rng,
        (
            f"{left}{inside}{right}{after}",
            f"{before} {left}{inside}{right}{after}",
            f"{before} {left}{_count(rng)}{right}{after}",
        ),
    )


def _capitals(rng: Random) -> str:
    words = [
        _one(rng, (_one(rng, WORDS), _one(rng, PLACES), _one(rng, NAMES))).upper()
        for _ in range(rng.randrange(1, 4))
    ]
    odd = "".join(rng.choices("QXZJVWKYFGH", k=3))
    return _one(
        rng,
        (
            " ".join(words),
            "-".join(words[:2]),
            words[0] + "!",
            f"{odd}-{rng.randrange(1, 1000)} {words[0]}",
            f"{words[0]} {odd}",
        ),
    )


def _sentence(rng: Random) -> str:
    words = _words(rng, 3, 6)
    if rng.random() < 0.4:
        words[rng.randrange(len(words))] = _one(
            rng, (_one(rng, NAMES), _count(rng), _one(rng, PLACES), _date(rng), _price(rng))
        )
    if rng.random() < 0.4:
        words[rng.randrange(len(words) - 1)] += _one(rng, (",", ";", ":", ",", " -", "'s"))
    text = " ".join(words)
    return text[0].upper() + text[1:] + _one(rng, (".", ".", "!", "?", "...", ""))


def _list(rng: Random) -> str:
    words = _words(rng, 2, 3)
    return _one(
        rng,
        (
            ", ".join(words),
            f"{rng.randrange(1, 20)}) {words[0]}",
            f"* {' '.join(words)}",
            f"- {words[0]} / {words[1]}",
            f"{words[0]} = {words[1]}",
            f"{words[0]} -> {words[1]}",
            f"{words[0]} + {words[1]}",
            f"{words[0]} & {words[1]}",
            f"#{rng.randrange(1, 100)}: {words[0]}",
            f"[{_one(rng, ' x')}] {words[0]}",
            f"Q: {words[0]}?",
            f"A/Z: {words[1]}",
            f"\"{words[0]}\" ; '{words[1]}'",
            f"{words[0]} | {words[1]}",
            f"P.S. {' '.join(words)}",
            f"{words[0]}_{words[1]}",
            f"{words[0]}\\{words[1]}",
        ),
    )


def _label(rng: Random) -> str:
    """A text with single capitals: seats, sizes, initials."""
    a, b = rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=2)
    number = rng.randrange(1, 100)
    word = _one(
        rng, ("Gate", "Seat", "Size", "Exit", "Plan", "Room", "Type", "Vitamin", "Box", "Zone", "Queue")
    )
    return _one(
        rng,
        (
            f"{word} {a}{number}",
            f"{word} {a}",
            f"{a}. {b}. {_one(rng, SURNAMES)}",
            f"{a}{b} {number}",
            f"{a}-{b}",
            f"{a} or {b}?",
            f"{a}{number}{b}",
            f"{a} = {number}",
        ),
    )


_SHARES: dict[Callable[[Random], str], float] = {
    _phone: 1.0,
    _date: 1.0,
    _time: 0.7,
    _price: 1.2,
    _sum: 1.2,
    _address: 1.2,
    _name: 1.0,
    _email: 1.3,
    _url: 1.3,
    _code: 2.0,
    _quoted: 1.2,
    _capitals: 0.8,
    _sentence: 1.2,
    _list: 1.2,
    _label: 1.2,
}
_KINDS, _WEIGHTS = list(_SHARES), list(_SHARES.values())
