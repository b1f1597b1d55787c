"""Text that is made to become SQL, to break out of a quote, or to confuse what escapes it."""

from __future__ import annotations

from itertools import product

QUOTES = ["'", '"', "\\'", '\\"', "''", '""', "$$", "`", "\\", "\\\\'", "'\\''", "\u2019", "\uff07", "\u02bc"]
TAILS = [
    "; DROP TABLE VISITS; --",
    " OR 1=1 --",
    " UNION SELECT * FROM CUSTODY_LOADS --",
    "); DELETE FROM VISITS; --",
    " || (SELECT MAX(LOAD_ID) FROM CUSTODY_LOADS) || ",
    "; CALL SYSTEM$ABORT_SESSION(1); --",
    "; GRANT ROLE ACCOUNTADMIN TO ROLE PUBLIC; --",
    ")) ON ERROR = CONTINUE FORCE = TRUE --",
    "::VARIANT:x",
]
OTHERS = [
    *("?", "??", "%s", "%(id)s", "%%", ":1", ":id", "$1", "$id", "&id", "{id}", "${id}", "{{ id }}", "#{id}"),
    *("--", "-- \n1", "/*", "*/", "/* */ 1", "//", "#", ";", ";;", "\n; DROP TABLE VISITS;\n", "\r\nGO\r\n"),
    *("NULL", "null", "TRUE", "DEFAULT", "0", "1e308", "NaN", "-0", "CURRENT_USER()", "SYSDATE()", "\\N", ""),
    *(
        " ",
        "  x  ",
        "\t",
        "\x00",
        "a\x00b",
        "\x08",
        "\x1b[2J",
        "\x7f",
        "\u0085",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\u200b",
    ),
    *(
        "IDENTIFIER('VISITS')",
        "TABLE(RESULT_SCAN(LAST_QUERY_ID()))",
        "@CUSTODY_GOLD",
        "@~",
        "%TABLE",
        "X'27'",
        "0x27",
    ),
    *(
        "\\x27",
        "\\u0027",
        "\\047",
        "CHR(39)",
        "U&'\\0027'",
        "q'[x]'",
        "E'\\''",
        "%27",
        "&#39;",
        "\u0130",
        "ß",
        "\U0001f980",
    ),
    *(
        "../../etc/passwd",
        "s3://other/x",
        "file:///etc/passwd",
        "<script>",
        "=1+1",
        "@SUM(A1)",
        "+1",
        "-1",
        "a" * 4096,
    ),
    *(
        "SELECT",
        "VISITS",
        "visits",
        "CUSTODY_OBJECT",
        "\ud7ff",
        "e\u0301",
        "ﬁ",
        "Ω",
        "中文",
        "עברית",
        "العربية",
    ),
]
CORPUS = [*dict.fromkeys([f"x{quote}{tail}" for quote, tail in product(QUOTES, TAILS)] + OTHERS)]
