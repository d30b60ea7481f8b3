"""Commands that print the paper beside our results: rows, claims."""

import argparse
import json

from ctnet.cli.options import add_command


def add_commands(commands) -> None:
    """Add the commands of this module to what `add_subparsers` returned."""
    text = "print the rows of the paper's Tables 2a-8: GFLOPs as printed there and as counted here"
    _json_option(add_command(commands, "rows", _rows, text), "row")
    text = "print the paper's claims: the verdict on each, and the effect measured here"
    _json_option(add_command(commands, "claims", _claims, text), "claim")


def _json_option(parser: argparse.ArgumentParser, thing: str) -> None:
    parser.add_argument("--json", action="store_true", help=f"print one JSON object for each {thing} (default: text)")


def _rows(options: argparse.Namespace) -> None:
    from ctnet.paper.studies import rows_json

    if options.json:
        return _print_json(rows_json())
    print(f"{'table':>5} {'row':<22} {'paper':>8} {'ours':>10} {'parameters':>10}")
    for row in rows_json():
        if row["ours"]:
            stated = row["paper"].get("gflops", "–")
            ours = f"{row['ours']['gflops']:>9.3f} G {row['ours']['params_m']:>7.2f} M"
            print(f"{row['table']:>5} {row['row']:<22} {stated:>8} {ours}")
    return None


def _claims(options: argparse.Namespace) -> None:
    from ctnet.paper.evidence import claims_json

    claims = claims_json()
    if options.json:
        return _print_json(claims)
    head = f"{'id':<20} {'kind':<9} {'table':<5} {'verdict':<17} {'effect':>8} {'interval':^16} {'p':>7} {'seeds':>5}"
    print(f"{head} {'scale':<5}  claim")
    for c in claims:
        effect = "" if c["effect"] is None else f"{c['effect']:.{3 if c['kind'] == 'cost' else 2}f}"
        interval = "" if c["interval"] is None else "[{:.2f}, {:.2f}]".format(*c["interval"])
        p = "" if c["p"] is None else f"{c['p']:.2g}"
        seeds = "" if c["seeds"] is None else c["seeds"]
        about = f"{c['id']:<20} {c['kind']:<9} {c['table'] or '':<5} {c['verdict']:<17}"
        print(f"{about} {effect:>8} {interval:^16} {p:>7} {seeds:>5} {c['scale'] or '':<5}  {c['claim']}")
    return None


def _print_json(objects: list[dict]) -> None:
    for entry in objects:
        print(json.dumps(entry, ensure_ascii=False))
