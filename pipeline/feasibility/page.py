"""The page: the verdict, what each class wants, what was asked, and the evidence; it needs nothing but itself."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.feasibility.evidence import Evidence
from pipeline.feasibility.plan import Probe
from pipeline.feasibility.summary import class_rows, findings_section, probe_section, weaker_said
from pipeline.feasibility.verdict import judge
from pipeline.files import write_text
from pipeline.report.layout import laid_out
from pipeline.report.sections import Section

_TEMPLATE = "feasibility.html.j2"
KINDS = {"go": "Go", "collect": "Collect more", "change": "Stop, or change the task", "unknown": "Not known yet"}
"""Kinds of verdict, for people."""


def write(path: Path, evidence: Evidence, probe: Probe, sections: Sequence[Section]) -> None:
    """Write the page, whole or not at all; the same evidence gives the same bytes.

    Parameters
    ----------
    sections : of the findings that were measured, in the order of `evidence`.
    """
    write_text(path, render(evidence, probe, sections))


def render(evidence: Evidence, probe: Probe, sections: Sequence[Section]) -> str:
    """Return the page as HTML; see `laid_out`."""
    verdict = judge(evidence)
    return laid_out(
        Path(__file__).with_name(_TEMPLATE),
        [findings_section(evidence), *sections, probe_section(probe)],
        verdict=verdict,
        remarks=(*weaker_said(probe), *verdict.also),
        kind=KINDS[verdict.kind],
        target=evidence.target,
        classes=class_rows(evidence),
        images=int(evidence.support.sum()),
    )
