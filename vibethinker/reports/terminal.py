"""The report in the terminal, readable at 80 columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vibethinker.algorithms.statistics import Interval
from vibethinker.reports.data import Hypothesis, ModelScores, Node, ReportData, Score
from vibethinker.reports.decision import checks, headline
from vibethinker.reports.round_costs import RoundCost, round_costs
from vibethinker.reports.rounds import SHORT, domain_of, is_expert, round_of
from vibethinker.reports.search_words import bought
from vibethinker.reports.signal_summary import PARTS, StageSummary, summarise
from vibethinker.reports.words import digits, duration, half_width, money, percent, share, tokens, when, whole_percent

COLOURS = {"shown": "green", "not shown": "yellow", "opposite shown": "red", "not measured": "dim"} | {
    "passed": "green",
    "failed": "red",
}
STOPPED = ("preempted", "out_of_budget")
"""Runs whose stages did nothing wrong."""
LEGEND = "Percent right. ±: half of the 95% interval; + or -: all of it is above or below. all: mean over the domains."
LATER = " hard: an expert of the second round."
ROUNDS = (
    "Pass@K: of the selected checkpoints on their probing sets, mean. Time and cost: of the round's traces, experts, selection and "
    "fusion, with what endpoints charged. tokens: that its experts were trained on."
)
SIGNAL = (
    "reward: percent, first and last eighth of the steps. zero: groups without advantage. cut: at the window. gap: of "
    "engine and trainer, KL: from the stage's start; both nats a token. Times: all steps; verdicts: waiting for them."
)
STATUS = {
    "sealed": "green",
    "reused": "cyan",
    "running": "yellow",
    "failed": "red",
    "stopped": "yellow",
    "pending": "dim",
}


def render(data: ReportData, console: Console, files: Sequence[str] = ()) -> None:
    """Prints head, scores, hypotheses, cost and where the files are. files: paths of the written report.

    A run that did not end well gets a short one: its error comes after it, and is to be seen with it.
    """
    for part in _parts(data):
        console.print(part)
    for path in files:
        console.print(Text(path), soft_wrap=True)  # never broken, so that it can be copied


def _parts(data: ReportData) -> Iterator[RenderableType]:
    run = data.run
    yield Text.assemble(
        "\n",
        (f"{run.id}", "bold"),
        "  ",
        (run.status.replace("_", " "), "bold"),
        f"\nprofile {run.profile}, started {when(run.started)}",
    )
    if data.models:
        yield _scores("Pass@1", data, lambda s: s.pass_at_1)
        yield _scores(f"Pass@{data.models[0].k}", data, lambda s: s.pass_at_k)
        later = any(_short(m.model) != m.model for m in data.models)
        yield Text(LEGEND + LATER * later, style="dim")
    if costs := round_costs(data):
        yield _rounds(data, costs)
        yield Text(ROUNDS, style="dim")
    for fusion in data.fusions:
        if fusion.search:
            yield Text(f"{fusion.node}: {bought(fusion.search)}")
    if summaries := list(summarise(data.curves)):
        yield _signal(summaries)
        yield Text(SIGNAL, style="dim")
    hypotheses = [h for h in data.hypotheses if run.status == "completed" or h.measures]
    if hypotheses:
        yield Text("")
    for hypothesis in hypotheses:
        yield _hypothesis(hypothesis)
    yield _cost(data)
    yield _totals(data)
    if data.promotion:
        yield Text("\nPromotion", style="bold")
        yield Padding(Text(headline(data.promotion)), (0, 0, 0, 2), expand=False)
        if data.promotion.get("checks"):
            yield _checks(data.promotion)
    for note in data.notes:
        yield Text(f"note: {note}", style="yellow")
    if waiting := _not_run(data):
        yield Text(f"Stages that did not run: {', '.join(waiting)}")
    yield Text("")


def _scores(title: str, data: ReportData, pick: Callable[[Score], Interval]) -> Table:
    table = Table(
        title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 0), pad_edge=False
    )
    table.add_column("model", no_wrap=True)
    for name in (*data.domains, "all"):
        table.add_column(name, justify="right", min_width=9)
    for model in data.models:
        cells = [*(model.domains.get(d) for d in data.domains), model.overall]
        table.add_row(_short(model.model), *(_cell(pick(c)) if c else "-" for c in cells), style=_row_style(model))
    return table


def _row_style(model: ModelScores) -> str:
    return "" if is_expert(model.model) else "bold"


def _short(model: str) -> str:
    """A later round's expert without the word, which would leave no room for the last column."""
    return f"{round_of(model)}: {domain_of(model)}" if is_expert(model) and round_of(model) else model


def _cell(interval: Interval) -> Text:
    return Text.assemble(percent(interval.mean), (half_width(interval), "dim not bold"))


def _rounds(data: ReportData, costs: Sequence[RoundCost]) -> Table:
    """One line a round."""
    table = Table(
        title="\nSpectrum",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        title_style="bold",
        padding=(0, 0),
        pad_edge=False,
    )
    table.add_column("round")
    for name in ("experts", "Pass@K", "device time", "cost", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    for cost in costs:
        selected = [c.pass_at_k for c in data.choices if round_of(c.node) == cost.turn]
        rate = percent(fmean(selected)) if selected else "-"
        spent = (duration(sum(cost.seconds.values())), money(cost.dollars + cost.asked))
        table.add_row(SHORT[cost.turn], str(len(cost.experts)), rate, *spent, tokens(cost.tokens))
    return table


def _signal(summaries: Sequence[StageSummary]) -> Table:
    """One line a stage."""
    table = Table(
        title="\nMGPO", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", padding=(0, 0), pad_edge=False
    )
    table.add_column("stage", overflow="fold")
    parts = [p for p in PARTS if any(p in stage.seconds for stage in summaries)]
    for name in ("reward", "zero", "cut", "gap", "KL", *parts):
        table.add_column(name, justify="right", no_wrap=True)
    for stage in summaries:
        reward = f"{percent(stage.reward[0])} to {percent(stage.reward[1])}" if stage.reward else "-"
        figures = (whole_percent(stage.zero_advantage), whole_percent(stage.truncated), digits(stage.gap, 1))
        seconds = (duration(stage.seconds[p]) if p in stage.seconds else "-" for p in parts)
        table.add_row(stage.node.removeprefix("mgpo-"), reward, *figures, digits(stage.kl, 1), *seconds)
    return table


def _hypothesis(hypothesis: Hypothesis) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column()
    verdict = Text(hypothesis.verdict, style=COLOURS[hypothesis.verdict])
    sentence = hypothesis.sentence.removeprefix("Not measured: ")  # the verdict says it
    if not hypothesis.measures:
        sentence += f" The claim: {hypothesis.claim}"
    grid.add_row(Text(hypothesis.name, style="bold"), Text.assemble(verdict, f": {sentence}"))
    return grid


def _checks(promotion: Mapping[str, Any]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for name, outcome, seen in checks(promotion):
        grid.add_row(Text(outcome, style=COLOURS[outcome]), name, Text(seen, style="dim"))
    return Padding(grid, (0, 0, 0, 2))


def _cost(data: ReportData) -> Table:
    table = Table(title="\nStages", box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("status")
    for name in ("device time", "cost", "of limit"):
        table.add_column(name, justify="right")
    for node in data.nodes:
        if _ended_early(data) and node.status in ("reused", "pending"):
            continue  # counted and named below
        status = "stopped" if node.status == "failed" and data.run.status in STOPPED else node.status
        table.add_row(
            node.name,
            Text(status, style=STATUS.get(status, "")),
            *(_spent(node, data.limit) if node.seconds else "---"),
            style="dim" if node.reused else "",
        )
    return table


def _ended_early(data: ReportData) -> bool:
    return data.run.status not in ("running", "completed")


def _not_run(data: ReportData) -> list[str]:
    return [n.name for n in data.nodes if n.status == "pending" and _ended_early(data)]


def _spent(node: Node, limit: float | None) -> tuple[str, str, str]:
    return duration(node.seconds), money(node.dollars), share(node.dollars, limit)


def _totals(data: ReportData) -> Text:
    made = [n for n in data.nodes if not n.reused and n.seconds]
    reused = [n for n in data.nodes if n.reused]
    limit = f" of the limit {money(data.limit)} ({share(data.spent, data.limit)})" if data.limit else ""
    time = duration(sum(n.seconds for n in made))
    text = f"Stages that ran: {len(made)}, {time} of device time, {money(data.spent)}{limit}"
    if data.charged:
        text += f"\nCharged by endpoints besides: {money(data.charged)}"
    if reused:
        text += f"\nStages reused: {len(reused)}, made earlier for {money(sum(n.dollars for n in reused))}"
    return Text(text)
