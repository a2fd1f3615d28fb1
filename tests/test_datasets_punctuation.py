import pytest

from strokesynth.datasets import close_punctuation

TYPED_AND_WRITTEN = [
    # marks that belong to the word before
    ("Dear Ada , all is well .", "Dear Ada, all is well."),
    ("Why ? Because ; so : there !", "Why? Because; so: there!"),
    ("Mr . and Mrs . J . Gray", "Mr. and Mrs. J. Gray"),
    ("by the B .C . coast", "by the B.C. coast"),
    ("and then . . .", "and then..."),
    ("gone .... Then", "gone.... Then"),
    # brackets
    ("( see page 3 ) , he said", "(see page 3), he said"),
    # numbers
    ("some 7 , 308 , 000 of 1951 , all told", "some 7,308,000 of 1951, all told"),
    # apostrophes
    ("the cat ' s milk", "the cat's milk"),
    ("I 've said they ' re late , didn ' t I", "I've said they're late, didn't I"),
    ("the girls ' room", "the girls' room"),
    # quotation marks: whole quotations
    ('a " hat " here', 'a "hat" here'),
    ('the " Morning Post " .', 'the "Morning Post".'),
    ('"Fine ," she said .', '"Fine," she said.'),
    ('" Quite , " he said . " We are . "', '"Quite," he said. "We are."'),
    ("each ' row ' has", "each 'row' has"),
    # parts of quotations: begun or ended in another line
    ('" The rain had', '"The rain had'),
    ('are we there ? "', 'are we there?"'),
    ('called : " Come in', 'called: "Come in'),
    ('called :" Come in', 'called: "Come in'),
    ('he said , " So ,', 'he said, "So,'),
    ('by then , " she added', 'by then," she added'),
    ('by noon . " " A boat . Look', 'by noon." "A boat. Look'),
    ('by noon . "" A boat . Look', 'by noon." "A boat. Look'),
    ('stuffy air ." Open the window ! "', 'stuffy air. "Open the window!"'),
    ('" Three of them . "Ada counted again', '"Three of them." Ada counted again'),
]


@pytest.mark.parametrize("typed, written", TYPED_AND_WRITTEN)
def test_blanks_that_nobody_wrote(typed, written):
    assert close_punctuation(typed) == written


@pytest.mark.parametrize(
    "text",
    [written for _, written in TYPED_AND_WRITTEN]
    + [
        "",
        " ",
        '"',
        "'",
        "it is a well-known place - or was",
        "don't say 'never' to \"Never\", said Mr. O'Brien (aged 7)",
        'He said: "I\'ll go." "So will I."',
        "in '63 the boys' team won 3-1",
        "e.g. 7,30 and 3.5; 12:45",
    ],
)
def test_what_is_spaced_as_written_stays(text):
    assert close_punctuation(text) == text
