"""Parses a statement into a tree, with its execution parameters inserted.

It uses sqlglot's Athena dialect, with one change: no function is known to it, so that every call keeps its
name and only the function table (``functions``) decides what it means. sqlglot accepts more than Athena does;
forms that the tree does not show are rejected here, the others by ``analyze``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import SqlglotError
from sqlglot.parsers.athena import AthenaTrinoParser
from sqlglot.tokenizer_core import Token, TokenType

from scripts.local_aws.athena.model import QueryError

_SPECIAL_FORMS = ("CAST", "TRY_CAST", "EXTRACT", "TRIM", "POSITION", "SUBSTRING")
_UNREAD_FORMS = re.compile(
    r"\b(json_(?:object|array|value|query|exists|table)\s*\(|match_recognize\b|listagg\s*\([^)]*on\s+overflow)",
    re.I,
)
"""What has a syntax of its own in Athena that is not read here."""


class _Parser(AthenaTrinoParser):
    FUNCTIONS: ClassVar = {}
    FUNCTION_PARSERS: ClassVar = {
        name: parser for name, parser in AthenaTrinoParser.FUNCTION_PARSERS.items() if name in _SPECIAL_FORMS
    }


class _Dialect(Trino):
    INDEX_OFFSET = 0
    Parser = _Parser


_DIALECT = _Dialect()
_AFTER_ROWS = (TokenType.ORDER_BY, TokenType.LIMIT, TokenType.OFFSET, TokenType.FETCH)
_SUBSCRIPTED = (TokenType.VAR, TokenType.IDENTIFIER, TokenType.R_PAREN, TokenType.R_BRACKET)
_OTHER_STATEMENTS = (
    *(
        "ALTER",
        "ANALYZE",
        "CALL",
        "CREATE",
        "DEALLOCATE",
        "DELETE",
        "DROP",
        "EXECUTE",
        "GRANT",
        "INSERT",
    ),
    *("MERGE", "MSCK", "OPTIMIZE", "PREPARE", "TRUNCATE", "UNLOAD", "UPDATE", "USING", "VACUUM", "TABLE"),
)
SHOW_WORDS = ("show", "describe", "desc ")
"""How the statements begin that only list."""
_SHOW = {
    "databases": re.compile(r"show\s+(?:databases|schemas)(?:\s+like)?(?:\s+'(?P<like>[^']*)')?", re.I),
    "tables": re.compile(
        r"show\s+tables(?:\s+(?:in|from)\s+(?P<database>\S+))?(?:\s+'(?P<like>[^']*)')?", re.I
    ),
    "views": re.compile(
        r"show\s+views(?:\s+(?:in|from)\s+(?P<database>\S+))?(?:\s+like\s+'(?P<like>[^']*)')?", re.I
    ),
    "columns": re.compile(
        r"show\s+columns\s+(?:in|from)\s+(?:(?P<database>[^\s.]+)\.)?(?P<table>[^\s.]+)", re.I
    ),
    "describe": re.compile(r"desc(?:ribe)?\s+(?:(?P<database>[^\s.]+)\.)?(?P<table>[^\s.]+)", re.I),
}


@dataclass(frozen=True, slots=True)
class Show:
    """A ``SHOW`` or ``DESCRIBE``: ``what`` is databases, tables, views, columns or describe."""

    what: str
    database: str | None
    table: str | None
    like: str | None


@dataclass(frozen=True, slots=True)
class Explain:
    """An ``EXPLAIN``: the statement it is about, and whether it is only to be validated."""

    query: exp.Query
    validate: bool


_EXPLAIN = re.compile(r"explain\b(?P<analyze>\s+analyze\b)?(?:\s*\((?P<options>[^()]*)\))?", re.I)


def _parse_explain(sql: str, parameters: Sequence[str]) -> Explain:
    head = _EXPLAIN.match(sql)
    options = " ".join((head["options"] or "").lower().split()) if head else ""
    if head is None or head["analyze"]:
        raise QueryError("NOT_SUPPORTED", "EXPLAIN ANALYZE")
    if not re.fullmatch(r"((type (logical|distributed|validate)|format text)(, |,|$)){0,2}", options):
        if not re.match(r"\s*(select|with|values)", head["options"] or "", re.I):
            raise QueryError("NOT_SUPPORTED", f"EXPLAIN ({options})")
        head = re.compile("explain", re.I).match(sql)  # what is in brackets is the statement
        options = ""
    end = head.end() if head else 0
    query = parse(re.sub(r"[^\n]", " ", sql[:end]) + sql[end:], parameters)
    if not isinstance(query, exp.Query):
        raise QueryError("NOT_SUPPORTED", "EXPLAIN of a statement that is no query")
    return Explain(query, "validate" in options)


def parse(sql: str, parameters: Sequence[str] = ()) -> exp.Query | Show | Explain:
    """Read a statement that only reads: a query, ``EXPLAIN`` of one, ``SHOW`` or ``DESCRIBE``.

    ``parameters`` are the texts of SQL constants (``'abc'``, ``7``, ``DATE '2026-11-20'``), one a ``?``.
    Raises ``QueryError`` for anything else.
    """
    sql = sql.rstrip().removesuffix(";")
    if sql.strip().lower().startswith(SHOW_WORDS):
        return _parse_show(sql.strip())
    if re.match(r"\s*explain\b", sql, re.I):
        return _parse_explain(sql.strip(), parameters)
    tokens = _tokenize(sql)
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        raise QueryError("SYNTAX_ERROR", "Only one sql statement is allowed.")
    first = tokens[0].text.upper() if tokens else "<EOF>"
    if first in _OTHER_STATEMENTS:
        raise QueryError("NOT_SUPPORTED", f"{first}: this engine only supports reads")
    if first not in ("SELECT", "WITH", "(", "VALUES"):
        raise QueryError("SYNTAX_ERROR", f"line 1:1: mismatched input '{first}'. Expecting: <query>")
    bound = _bind(tokens, parameters)
    if first == "VALUES":  # sqlglot reads it only where a relation stands
        bound = _selected(bound)
    tree = _parse_tokens(bound, sql)
    if isinstance(tree, exp.Query):
        return tree
    raise QueryError("SYNTAX_ERROR", "line 1:1: this is no query")


def _selected(tokens: list[Token]) -> list[Token]:
    """Write ``VALUES … ORDER BY …`` as a ``SELECT`` of the values."""
    depth, ends = 0, [len(tokens)]
    for at, token in enumerate(tokens):
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth == 0 and token.token_type in _AFTER_ROWS:
            ends.append(at)
    end = min(ends)
    return [*_scan("SELECT * FROM ("), *tokens[:end], *_scan(")"), *tokens[end:]]


def position(node: exp.Expr, sql: str) -> str:
    """Say where a name stands in the statement, as Athena does: ``line 1:8``."""
    starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
    start = min(starts, default=0)
    return f"line {sql.count(chr(10), 0, start) + 1}:{start - sql.rfind(chr(10), 0, start)}"


def _parse_show(sql: str) -> Show:
    for what, pattern in _SHOW.items():
        match = pattern.fullmatch(sql.strip())
        if match:
            found = {"database": None, "table": None, "like": None} | match.groupdict()
            names = {k: v.strip('`"').lower() if v and k != "like" else v for k, v in found.items()}
            return Show(what, **names)
    raise QueryError("NOT_SUPPORTED", f"{sql[:60]!r} is not a SHOW or DESCRIBE of this engine.")


def _tokenize(sql: str) -> list[Token]:
    try:
        tokens = _typed(_scan(sql))
    except SqlglotError as error:
        raise _syntax_error(error, sql) from error
    for at, token in enumerate(tokens):
        before = tokens[at - 1] if at else None
        operator = sql[token.start : token.end + 1]
        bare_list = token.token_type is TokenType.L_BRACKET and (
            before is None or (before.token_type not in _SUBSCRIPTED and before.text.upper() != "ARRAY")
        )
        if token.token_type is TokenType.DCOLON or operator == "==" or bare_list:
            line = sql.count("\n", 0, token.start) + 1
            column = token.start - sql.rfind("\n", 0, token.start)
            raise QueryError("SYNTAX_ERROR", f"line {line}:{column}: mismatched input {operator!r}")
    return tokens


def _typed(tokens: list[Token]) -> list[Token]:
    """Read ``DECIMAL '1.5'`` as the number: sqlglot keeps a cast of it, which has another type."""
    read: list[Token] = []
    for token in tokens:
        number = re.fullmatch(r"([+-]?)(\d+\.?\d*|\.\d+)", token.text)
        if (
            token.token_type is TokenType.STRING
            and number
            and read
            and read[-1].token_type is TokenType.DECIMAL
        ):
            place = (token.line, token.col, token.start, token.end)
            read.pop()
            read.append(Token(TokenType.L_PAREN, "(", *place))
            if number[1] == "-":
                read.append(Token(TokenType.DASH, "-", *place))
            read.append(Token(TokenType.NUMBER, number[2] if "." in number[2] else f"{number[2]}.", *place))
            read.append(Token(TokenType.R_PAREN, ")", *place))
        else:
            read.append(token)
    return read


_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+")


def _scan(sql: str) -> list[Token]:
    """Tokenize; what sqlglot takes for one number, ``1e3-1``, is scanned anew from behind the first."""
    tokens = list(_DIALECT.tokenize(sql))
    for at, token in enumerate(tokens):
        number = _NUMBER.match(sql, token.start) if token.token_type is TokenType.NUMBER else None
        if number and number.end() <= token.end:
            column = token.col - (token.end + 1 - number.end())
            first = Token(TokenType.NUMBER, number[0], token.line, column, token.start, number.end() - 1)
            rest = re.sub(r"[^\n]", " ", sql[: number.end()]) + sql[number.end() :]
            return [*tokens[:at], first, *_scan(rest)]
    return tokens


def _bind(tokens: list[Token], parameters: Sequence[str]) -> list[Token]:
    wanted = sum(token.token_type is TokenType.PLACEHOLDER for token in tokens)
    if wanted != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {wanted} but found {len(parameters)}",
        )
    values = iter([_constant(text) for text in parameters])
    bound: list[Token] = []
    for token in tokens:
        bound.extend(next(values) if token.token_type is TokenType.PLACEHOLDER else [token])
    return bound


def _constant(text: str) -> list[Token]:
    """Return the tokens of one SQL constant; they can mean nothing else wherever they are put."""
    tokens = _tokenize(text)
    tree = _parse_tokens([*_tokenize("SELECT"), *tokens], text) if tokens else None
    allowed = (exp.Literal, exp.Neg, exp.Boolean, exp.Null, exp.Cast, exp.DataType)
    if (
        not isinstance(tree, exp.Select)
        or len(tree.expressions) != 1
        or any(value for key, value in tree.args.items() if key not in ("expressions", "kind"))
        or not all(isinstance(node, allowed) for node in tree.expressions[0].walk())
    ):
        raise QueryError("SYNTAX_ERROR", f"the execution parameter {text[:60]!r} is not one SQL constant")
    return tokens


def _parse_tokens(tokens: list[Token], sql: str) -> exp.Expr:
    try:
        trees = _DIALECT.parser().parse(tokens, sql)
    except SqlglotError as error:
        raise _syntax_error(error, sql) from error
    if len(trees) != 1 or trees[0] is None:
        raise QueryError("SYNTAX_ERROR", "line 1:1: mismatched input '<EOF>'. Expecting: <query>")
    return trees[0]


def _syntax_error(error: SqlglotError, sql: str) -> QueryError:
    if form := _UNREAD_FORMS.search(sql):
        return QueryError("NOT_SUPPORTED", f"this form of {form[1].strip('( ').lower()}")
    details = getattr(error, "errors", None) or [{}]
    near = details[0].get("highlight") or sql[:20]
    line, column = details[0].get("line") or 1, details[0].get("col") or len(near)
    return QueryError(
        "SYNTAX_ERROR", f"line {line}:{max(1, column - len(near) + 1)}: mismatched input {near!r}"
    )
