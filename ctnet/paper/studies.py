"""A table of the paper as a study: which experiments stand behind each of its rows, at each scale.

To add a table: one line in `STUDIES`, one file `data/paper/table_NAME.csv`, one notebook.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from ctnet.errors import ConfigError, unknown
from ctnet.experiments import records
from ctnet.experiments.experiment import Ensemble, Experiment
from ctnet.experiments.scales import SCALES, per_seed
from ctnet.paper.costs import row_cost
from ctnet.paper.printed import Row, rows
from ctnet.protocol import Protocol

PAPER_SIZE = 256  # side of a crop that a small scale's own size stands for


@dataclass(frozen=True)
class StandIn:
    """What a table has in place of its columns' data sets at a scale below `paper`; None: what the scale has.

    Attributes:
        data: Data set that is trained and tested on.
        init: What the weights start from.
        seeds: Seeds of each row.
        overrides: Fields of the networks' configuration, so that every row is another network.

    Example:
        >>> StandIn("grid16", init="motionpairs").data
        'grid16'
    """

    data: str | None = None
    init: str | None = None
    seeds: tuple[int, ...] | None = None
    overrides: tuple[tuple[str, object], ...] | None = None


@dataclass(frozen=True)
class Study:
    """One table: what is measured behind its columns of accuracies.

    Attributes:
        table: Name of the table, such as "2a".
        columns: Column of accuracies -> the data set that the paper measures it on. The first is shown first.
        follows: Which parts of a row's protocol apply below the `paper` scale: any of "frames", "views" and "size".
            The other parts are the scale's. Sizes keep the paper's ratio: at 32 pixels for 256, a row of 224 has 28.
        at: Scale -> what stands in for every column's data set there; None: the table is not measured there. Default:
            the scale's own data set.

    Example:
        >>> STUDIES["2a"].experiments(printed.row("2a/ct"), "cpu")[0].model
        'ct_resnet50'
    """

    table: str
    columns: Mapping[str, str]
    follows: tuple[str, ...] = ()
    at: Mapping[str, StandIn | None] = field(default_factory=dict)

    def experiments(
        self,
        row: Row,
        scale: str,
        column: str | None = None,
        seeds: Sequence[int] | None = None,
        epochs: int | None = None,
        data: str | None = None,
    ) -> list[Experiment | Ensemble]:
        """The experiments behind one cell of the table, one for each seed.

        Args:
            row: A row of the table.
            scale: `smoke`, `cpu`, `gpu` or `paper`.
            column: One of `columns`. Default: the first.
            seeds: Seeds to use. Default: the scale's.
            epochs: Epochs to train. Default: the recipe's.
            data: Data set to train and test on. Default: the column's, or what stands in for it.

        Returns:
            The experiments; an empty list for other people's rows, and if the network cannot be built at this scale.

        Raises:
            ConfigError: Unknown scale or column.
        """
        column = column or next(iter(self.columns))
        if column not in self.columns:
            raise unknown(f"column of accuracies in Table {self.table}", column, self.columns)
        if scale not in SCALES:
            raise unknown("scale", scale, SCALES)
        stand_in = StandIn(self.columns[column]) if scale == "paper" else self.at.get(scale, StandIn())
        if stand_in is None:
            return []
        members = []
        for model, protocol in zip(row.models, row.protocols, strict=True):
            wanted = seeds or stand_in.seeds
            made = per_seed(model, scale, data or stand_in.data, wanted, stand_in.init, epochs)
            if stand_in.overrides is not None:
                made = [replace(e, overrides=stand_in.overrides) for e in made]
            if not _can_be_built(made[0]):
                return []
            members.append([self._with_protocol(e, row, protocol) for e in made])
        if len(members) == 1:
            return members[0]
        return [Ensemble(together) for together in zip(*members, strict=True)]

    def differ(self, a: Row, b: Row, scale: str, column: str | None = None) -> bool:
        """Whether two rows are different experiments at a scale, computed from their networks and protocols.

        Args:
            a: A row of the table.
            b: Another row.
            scale: `smoke`, `cpu`, `gpu` or `paper`.
            column: One of `columns`. Default: the first.

        Returns:
            Whether they differ; False if one of them has no experiment at this scale.
        """
        first, second = (self.experiments(row, scale, column)[:1] for row in (a, b))
        return bool(first and second) and _identity(first[0]) != _identity(second[0])

    def _with_protocol(self, e: Experiment, row: Row, wanted: Protocol) -> Experiment:
        """The experiment under what counts of a row's protocol."""
        own = e.protocol
        follows = ("frames", "views", "size") if e.scale == "paper" else self.follows
        unit = PAPER_SIZE if e.scale == "paper" else own.size  # what 256 pixels are at this scale
        changes: dict = {}
        if "frames" in follows:
            changes["frames"] = wanted.frames
        if "views" in follows:
            changes |= {"crops": wanted.crops, "clips": wanted.clips}
        if "size" in follows:
            changes["size"] = unit * wanted.size // PAPER_SIZE
            if row.train_size and row.train_size < PAPER_SIZE:  # Table 2h: trained on smaller crops
                e = replace(e, recipe=replace(e.recipe, size=unit * row.train_size // PAPER_SIZE))
            if row.train_size and wanted.size < PAPER_SIZE:  # and cropped from frames of the full size
                changes["short_side"] = unit
        return replace(e, protocol=replace(own, **changes))


V1 = {"top1": "something_v1"}
V1_V2 = {"v1_top1": "something_v1", "v2_top1": "something_v2"}
ALL = ("frames", "views", "size")
SMALL_SCALES = ("smoke", "cpu")  # those whose networks are narrower and shallower than the paper's
GRID_SEEDS = {"smoke": None, "cpu": tuple(range(5)), "gpu": tuple(range(5))}
EIGHT_SEEDS = {"cpu": StandIn(seeds=tuple(range(8)))}
# The square root of C is 4 or 16 at some widths. At 64 and 128 channels it is neither, so that all rows differ.
WIDE = StandIn(overrides=(("width", 32), ("depths", (2, 2, 2))))
# The paper's own depths, so that 0, 1, 4, 6, 7 and 12 blocks are the paper's too.
DEEP = StandIn(overrides=(("width", 8), ("depths", (3, 4, 6, 3))))
#: Name of a table -> its study.
STUDIES = {
    study.table: study
    for study in (
        Study("2a", V1, at=EIGHT_SEEDS),
        Study("2b", V1),
        Study("2c", V1),
        Study("2d", V1, at=dict.fromkeys(SMALL_SCALES, WIDE)),
        Study("2e", V1, at=dict.fromkeys(SMALL_SCALES, DEEP)),
        Study("2f", V1),
        Study("2g", V1, at=EIGHT_SEEDS),
        Study("2h", V1, ("size",)),
        Study("3", V1_V2, ALL),
        Study("4", {"top1": "kinetics400"}, ALL, at=dict.fromkeys(SMALL_SCALES)),  # its two depths would be one network
        Study(
            "5",
            {"ucf101_top1": "ucf101", "hmdb51_top1": "hmdb51"},
            at={scale: StandIn("grid16", "motionpairs", seeds) for scale, seeds in GRID_SEEDS.items()},
        ),
        Study("6", V1_V2, ALL),
        Study(
            "7",
            {"minik_top1": "mini_kinetics", "v2_top1": "something_v2"},
            at={scale: StandIn("grid16", seeds=seeds) for scale, seeds in GRID_SEEDS.items()},
        ),
        Study("8", V1),
    )
}


def study_of(table: str) -> Study:
    """The study of a table.

    Args:
        table: Such as "2a".

    Raises:
        ConfigError: No study is declared for this table.

    Example:
        >>> study_of("6").follows
        ('frames', 'views', 'size')
    """
    if table not in STUDIES:
        raise unknown("table with experiments", table, STUDIES)
    return STUDIES[table]


def recorded_for(row: Row) -> tuple[str, str] | None:
    """The record behind a row, from the largest scale that has one.

    Args:
        row: A row of the paper's tables.

    Returns:
        (key of the record of the first seed that has one, scale), or None where exactly this network, data set and
        protocol is recorded nowhere.
    """
    if row.table not in STUDIES:
        return None
    study = STUDIES[row.table]
    for scale in reversed(SCALES):
        for column in study.columns:
            for e in study.experiments(row, scale, column):
                if records.path_of(e.key, scale).exists():
                    return e.key, scale
    return None


def rows_json() -> list[dict]:
    """Every row of every table, with our cost and its record.

    Returns:
        An object for each row: `table`, `row`, `paper` (column -> printed figure), `ours` (`gflops`, `gmacs`,
        `params_m`, or None for other people's rows), `experiment` (key of a record, or None) and its `scale`.

    Example:
        >>> sorted(rows_json()[0])
        ['experiment', 'ours', 'paper', 'row', 'scale', 'table']
    """
    made = []
    for row in rows():
        cost, (key, scale) = row_cost(row), recorded_for(row) or (None, None)
        ours = asdict(cost) if cost else None
        made.append({"table": row.table, "row": row.row, "paper": row.paper, "ours": ours})
        made[-1] |= {"experiment": key, "scale": scale}
    return made


def _can_be_built(e: Experiment) -> bool:
    """Whether a network can be built with the overrides of its scale."""
    from ctnet.models.zoo import configured

    try:
        configured(e.model, **dict(e.overrides))
    except ConfigError:
        return False
    return True


def _identity(e: Experiment | Ensemble) -> object:
    """Return a value that is equal for equal experiments, whatever the names of their networks."""
    from ctnet.models.zoo import signature

    if isinstance(e, Ensemble):
        return frozenset(_identity(member) for member in e.members)
    return signature(e.model, **dict(e.overrides)), replace(e, model="", overrides=())
