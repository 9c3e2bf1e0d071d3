"""`hsanalyze check CHAIN`: the trust checker alone."""

from __future__ import annotations

from analyzer.commands.options import Parser, chosen_format, moment, password
from analyzer.commands.output import keep_inputs, rendered, tell, write

__all__ = ["run"]


def run(words: list[str]) -> int:
    """Check a chain; 0: all validators that were asked accept, 1: one refuses, 2: an input could not be read."""
    options = _parser().read(words)
    form = chosen_format(options.format, options.output)
    keep_inputs(options.output, options.chain, options.truststore, options.candidate)
    from analyzer.inspection import check_chain

    report = check_chain(
        options.chain,
        truststore=options.truststore,
        truststore_password=password(options.truststore_password),
        host=options.host,
        profile=options.profile,
        verify_depth=options.verify_depth,
        at=moment(options.at),
        candidate=options.candidate,
        redact=options.redact,
    )
    if form == "json":
        from analyzer.report.to_json import to_json

        write(to_json(report), options.output)
    else:
        from analyzer.report import layout_check

        write(rendered(layout_check.document(report), form, options.output), options.output)
    if tell((*report.problems, *report.truststore.problems)):
        return 2
    return 0 if report.accepted else 1


def _parser() -> Parser:
    parser = Parser(
        prog="hsanalyze check",
        description="Asks the validators whether they accept a server's chain by a trust store, and says what would "
        "turn those that refuse.",
        epilog="Exit status: 0 all validators that were asked accept, 1 at least one refuses, 2 wrong usage or an "
        "unreadable input.",
    )
    parser.add_argument(
        "chain",
        metavar="CHAIN",
        help="the output of `openssl s_client -showcerts`, a PEM, DER or PKCS#7 file, a browser's error page saved as "
        "text or HTML, or - for standard input",
    )
    parser.add_truststore("default: system")
    parser.add_validation(host="the name in CHAIN where it holds one, else names are not checked", at="now")
    parser.add_report()
    parser.add_redact()
    return parser
