"""One table of the paper beside our records: the functions that the notebook of a table calls."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from ctnet.book.collect import at_hand, obtain
from ctnet.book.tables import interval, label, mean_interval, mean_sd, p_value, paired, provenance, show, size_cells
from ctnet.errors import unknown
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.experiments.records import Result, validated
from ctnet.paper import claims, costs, printed
from ctnet.paper.evidence import differences_at, headline
from ctnet.paper.studies import Study, study_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TIERS = ("strict", "state change", "dynamics", "appearance")


@dataclass(frozen=True)
class Report:
    """A table of the paper and its records at one scale. Each method shows one part, and keeps tables as CSV.

    Attributes:
        study: What is measured behind the table.
        scale: `smoke`, `cpu`, `gpu` or `paper`.
        column: Column of accuracies.
        wanted: Row -> its experiments, one for each seed.
        records: Row -> their records, fewer where some are missing.

    Example:
        >>> report("2a", "cpu").claims()
    """

    study: Study
    scale: str
    column: str
    wanted: Mapping[str, Sequence[Experiment | Ensemble]]
    records: Mapping[str, Sequence[Result]]

    def results(self) -> pd.DataFrame:
        """The paper's accuracy beside ours, and the size of the network behind each of the two.

        Ours is the mean over seeds with its 95 % interval. The paper's network is as wide and deep as its GFLOPs say;
        ours has the MFLOPs, width, depth and pixels that stand in the last columns.
        """
        lines = []
        for name, runs in self.records.items():
            row, values = self._row(name), [r.metric(self.metric) for r in runs]
            line = {"row": label(row), f"paper: {self.column} (%)": row.printed.get(self.column, "–")}
            line |= {"paper: GFLOPs": row.printed.get("gflops", "–"), "here (%)": mean_interval(values)}
            lines.append(line | {"seeds": len(runs)} | size_cells(self.sizes[name]))
        return self._show(lines or [{"row": "not measured at this scale"}], "results")

    def paper(self) -> pd.DataFrame:
        """What the paper prints for each row, beside our count of the paper's network at full width."""
        lines = []
        for name in self.records:
            row = self._row(name)
            ours = costs.row_cost(row)
            line = {"row": label(row), "GFLOPs, printed": row.printed.get("gflops", "–")}
            line |= {"GFLOPs, counted": round(ours.gflops, 1), "parameters (M), counted": round(ours.params_m, 1)}
            lines.append(line | {f"{self.column}, printed (%)": row.printed.get(self.column, "–")})
        return self._show(lines, "paper")

    def accuracies(self, csv: str | None = None) -> pd.DataFrame:
        """Accuracies recorded here, mean ± standard deviation over seeds, beside the network that reached them.

        Args:
            csv: Name of the CSV file, without its suffix. Default: that of the table.
        """
        lines = [self._accuracies_of(name) for name in self.records]
        return show(pd.DataFrame(lines), csv) if csv else self._show(lines)

    def differences(self, pairs: Sequence[tuple[str, str]] | None = None) -> pd.DataFrame:
        """One row minus another, paired by seed, in points: the paper's difference and ours.

        Args:
            pairs: Names of two rows each. Default: the pairs that the paper's claims on this table compare.
        """
        lines = []
        for a, b in self._claimed_pairs() if pairs is None else pairs:
            first, second = self._row(a), self._row(b)
            line = {"row": label(first), "minus": label(second)}
            line["paper"] = round(first.paper[self.column] - second.paper[self.column], 1)
            lines.append(line | paired(self.records.get(a, ()), self.records.get(b, ())))
        return self._show(lines or [{"row": "none: no claim compares two of these rows"}], "tests")

    def claims(self) -> pd.DataFrame:
        """What the paper claims of the table's accuracies, and the verdict of the records of this scale."""
        decided, lines = claims.verdicts(differences_at(self.scale, self.study.table)), []
        for claim in claims.stated():
            if claim.kind == "accuracy" and claim.table == self.study.table:
                v = decided[claim.id]
                here = "–" if v.effect is None else f"{v.effect:+.1f}"
                line = {"claim": claim.claim, "paper": f"{claims.paper_effect(claim):+.1f}"}
                line |= {"holds in the printed table": claims.printed_verdict(claim)}
                line |= {f"here ({self.scale})": here, "verdict": v.verdict}
                line["95 % interval"] = interval(v.interval)
                lines.append(line | {"p, corrected": "–" if v.p is None else p_value(v.p)})
        return self._show(lines or [{"claim": "none on this table in data/paper/claims.csv"}], "claims")

    def runs(self) -> pd.DataFrame:
        """The record behind each number: seed, protocol, minutes, commit, date, file, device."""
        return show(provenance(self.records), f"table_{self.study.table}_runs")

    def tiers(self, rows: Sequence[str] | None = None) -> "Figure":
        """Accuracy of each row on each tier: a bar for the mean, a point for each seed.

        Args:
            rows: Names of rows, of which those of the report are drawn. Default: all.
        """
        from ctnet.book import plots

        return plots.tiers(self._labelled(rows))

    def curve(self, rows: Sequence[str] | None = None) -> "Figure":
        """Accuracy of each row on the strict tier against the noise of the test clips; `rows` as in `tiers`."""
        from ctnet.book import plots

        return plots.curve(self._labelled(rows))

    def learning(self, rows: Sequence[str] | None = None) -> "Figure":
        """How soon each row learns the pairs of the strict tier; `rows` as in `tiers`."""
        from ctnet.book import plots

        return plots.learning(self._labelled(rows))

    def solved(self, share: float = 90.0) -> pd.DataFrame:
        """Training clips seen, in thousands, until a pair of the strict tier is told apart: median over seeds.

        Args:
            share: A pair counts as learnt after the first epoch at which this share of its validation clips, in per
                cent, is told from their reversal.

        Returns:
            A line for each row. A pair that fewer than half of the seeds learn has "–".
        """
        lines = []
        for name, runs in self.records.items():
            courses = [course for r in runs if (course := validated(r))]
            if not courses:
                continue
            line = {"row": label(self._row(name))}
            for pair in courses[0][0][1]:
                first = [next((seen for seen, found in c if found[pair] >= share), math.inf) for c in courses]
                middle = sorted(first)[len(first) // 2]
                line[pair] = "–" if math.isinf(middle) else f"{middle / 1000:.0f}"
            lines.append(line | {"seeds": len(courses)})
        return self._show(lines or [{"row": "not yet measured"}], "solved")

    def tradeoff(self) -> "Figure":
        """Accuracy against operations: the paper's at its size, ours at the size of the networks trained here."""
        from ctnet.book import plots

        points = []
        for name, runs in self.records.items():
            row, size = self._row(name), self.sizes[name]
            ours = (size and size.mflops, [r.metric(self.metric) for r in runs])
            points.append((label(row), (costs.row_cost(row).gflops, row.paper.get(self.column)), ours))
        return plots.tradeoff(points, self.column, self.scale)

    def history(self) -> "Figure":
        """Training loss and accuracy by epoch, for the first seed of each row."""
        from ctnet.book import plots

        return plots.history({label(self._row(name)): runs[0] for name, runs in self.records.items() if runs})

    @cached_property
    def sizes(self) -> dict[str, costs.NetworkSize | None]:
        """Row -> the true size of its network; None where the number of classes is not known from any record."""
        classes = next((r.num_classes for runs in self.records.values() for r in runs), None)
        return {
            name: costs.network_size(wanted[0], classes) if classes and wanted else None
            for name, wanted in self.wanted.items()
        }

    @cached_property
    def metric(self) -> str:
        """The metric of the records that stands for the paper's top-1."""
        return headline([r for runs in self.records.values() for r in runs])

    def _accuracies_of(self, name: str) -> dict:
        """One line of `accuracies`."""
        runs = self.records[name]
        columns = {"top-1": "top1", "order gap": "order_gap"}
        if self.metric != "top1":
            columns = {tier: f"tiers.{tier}" for tier in TIERS}
            columns |= {"strict, within pairs": "pairs.strict", "order gap, strict": "order_gap.strict"}
        line = {"row": label(self._row(name))}
        shuffled = [r for r in runs if "shuffled" in r.metrics]  # not the ensembles
        for column, metric in columns.items():
            line[column] = mean_sd([r.metric(metric) for r in (shuffled if "gap" in column else runs)])
        return line | {"seeds": len(runs)} | size_cells(self.sizes[name])

    def _claimed_pairs(self) -> list[tuple[str, str]]:
        """The pairs of rows that the claims on this table's accuracies compare."""
        pairs = [
            tuple(ref.partition("/")[2] for ref in pair)
            for claim in claims.stated()
            if claim.kind == "accuracy" and claim.table == self.study.table and claim.metric == self.column
            for pair in claim.pairs
        ]
        return [pair for pair in dict.fromkeys(pairs) if set(pair) <= self.records.keys()]

    def _labelled(self, rows: Sequence[str] | None) -> dict[str, Sequence[Result]]:
        """Label of a row -> its records."""
        return {label(self._row(name)): runs for name, runs in self.records.items() if rows is None or name in rows}

    def _row(self, name: str) -> printed.Row:
        return printed.row(f"{self.study.table}/{name}")

    def _show(self, lines: list[dict], part: str = "") -> pd.DataFrame:
        return show(pd.DataFrame(lines), "_".join(filter(None, ("table", self.study.table, part))))


def report(
    table: str,
    scale: str,
    rows: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    epochs: int | None = None,
    column: str | None = None,
    data: str | None = None,
    missing: bool = False,
    fresh: bool = False,
) -> Report:
    """Collect the records of a table, and run what is asked for.

    Args:
        table: Name of the table, such as "2a".
        scale: `smoke`, `cpu`, `gpu` or `paper`. At `smoke` all that is missing is run, which takes a minute or two.
        rows: Names of rows. Default: every row of ours that has an experiment at this scale.
        seeds: Seeds to use. Default: the scale's.
        epochs: Epochs to train. Default: the recipe's.
        column: Column of accuracies, where the table has several. Default: the first.
        data: Data set to train and test on. Default: the table's at this scale.
        missing: Run what has no record; below the `paper` scale only if the videos of all its data sets are there.
        fresh: Run everything again and replace the records.

    Returns:
        The report.

    Raises:
        ConfigError: Unknown table, scale, row or column.

    Example:
        >>> r = report("2a", "cpu")
        >>> r.accuracies()
    """
    study = study_of(table)
    column = column or next(iter(study.columns))
    ours = {row.row: row for row in printed.rows_of(table) if row.models}
    for name in rows or ():
        if name not in ours:
            raise unknown(f"row of Table {table}", name, ours)
    chosen = [name for name in ours if name in rows] if rows else list(ours)
    wanted = {name: study.experiments(ours[name], scale, column, seeds, epochs, data) for name in chosen}
    wanted = {name: made for name, made in wanted.items() if made}
    missing = (missing or scale == "smoke") and (scale == "paper" or at_hand(wanted))
    return Report(study, scale, column, wanted, obtain(wanted, fresh, missing))
