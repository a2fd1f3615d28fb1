"""Labels apart from ink."""

import dataclasses

from strokesynth.datasets import Label, ReadReport, Sample
from strokesynth.ink import Ink


def test_a_sample_says_what_its_label_says():
    label = Label("text", "writer", "split", "source", "id")
    sample = Sample(Ink.from_strokes([[[0, 0]]]), label)
    for field in dataclasses.fields(Label):
        assert getattr(sample, field.name) == getattr(label, field.name) == field.name


def test_a_report_lists_what_was_left_out():
    report = ReadReport(read=2)
    report.skip("a-01", "no ink")
    report.note("writers.csv is missing")
    assert str(report).splitlines() == ["2 read, 1 skipped", "writers.csv is missing", "skipped a-01: no ink"]
