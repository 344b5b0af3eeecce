"""Why the nets err: all sections of the report that say so."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.data.assignment import Assignment
from pipeline.data.packed import PackedSet
from pipeline.evaluation.predictions import Predictions
from pipeline.report.confusions import confusions_section
from pipeline.report.judged import judge
from pipeline.report.labels import labels_section, unseen
from pipeline.report.mistakes import hits_section, mistakes_section
from pipeline.report.sections import Section
from pipeline.report.shortcuts import associations, shortcuts_section
from pipeline.report.slices import slices_section
from pipeline.training.weights import TrainedModel


def why_sections(
    nets: Sequence[TrainedModel],
    packed: PackedSet,
    assignment: Assignment,
    parts: Mapping[str, Predictions],
    most: int = 12,
    seed: int = 0,
) -> list[Section]:
    """Return confusions, mistakes, hits, likely wrong labels, scores by slice, and shortcuts: first if there are any.

    >>> packed, table = open_packed(folder), read_assignment(path, packed)  # doctest: +SKIP
    >>> nets = judged_nets(models, table, compute)  # doctest: +SKIP
    >>> parts = pooled_parts(predict_nets(models, packed, table, compute))  # doctest: +SKIP
    >>> why_sections(nets, packed, table, parts)  # doctest: +SKIP

    Parameters
    ----------
    nets : those that are judged: one, or one a fold, in the order of the folds (`judged.judged_nets`).
    packed : the packed set as `open_packed` returns it, of N photographs.
    assignment : of this packed set.
    parts : the nets' answers, "test" and "val", as `pooled_parts` returns them.
    most : photographs at the most in each of: pairs of classes, mistakes, hits, likely wrong labels.
    seed : of the draws behind intervals and p-values.

    Photographs are `photos.THUMB` pixels a side at most.
    """
    judged = judge(nets, packed, assignment, parts["test"])
    rng = np.random.default_rng(seed)
    found = associations(judged.packed, judged.used, judged.group, rng)
    told = shortcuts_section(judged, found)
    sections = [
        confusions_section(judged, most),
        mistakes_section(judged, most),
        hits_section(judged, most),
        labels_section(judged, unseen(parts, assignment.num_folds), assignment.num_folds, most),
        slices_section(judged, rng),
    ]
    return [told, *sections] if any(each.alarm for each in found) else [*sections, told]
