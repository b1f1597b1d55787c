"""Data sets: what is read of them, what is told of one that is not right, and that no code knows one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.datasets import check_datasets, folder_of, load_dataset
from scripts.demo.dataset import deliveries, load_generator
from scripts.toolchain.toolchain import REPO, ToolError

EXAMPLES = sorted(path.parent.name for path in (REPO / "examples").glob("*/silver"))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_are_right(name: str) -> None:
    data_set = load_dataset(folder_of(f"examples/{name}"))
    assert all(contract.source for contract in data_set.silver.values())
    assert all(contract.sql for contract in data_set.gold.values())


def test_a_folder_that_is_named_twice_is_told_once(tmp_path: Path) -> None:
    own = str(shutil.copytree(REPO / "examples" / "minimal", tmp_path / "own"))
    (tmp_path / "link").symlink_to(own)
    check_datasets([own, "examples/sensors"])
    for other in (own, f"{own}/", str(tmp_path / "link")):
        with pytest.raises(ToolError) as caught:
            check_datasets([own, other])
        assert str(caught.value) == f"datasets names a folder twice, as {own} and {other}: name each once."


def test_no_code_knows_a_table_of_the_sample() -> None:
    """What a table is called stands in its data set alone."""
    names = "|".join(load_dataset(folder_of("examples/streaming")).contracts)
    folders = ("src", "dags", "lambda", "glue", "task", "terraform", "scripts")
    found = subprocess.run(
        ["git", "grep", "-nE", names, "--", *folders], cwd=REPO, capture_output=True, text=True, check=False
    )
    assert (found.returncode, found.stdout) == (1, "")


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("silver/sites.yaml", "key: [", "key: [[", "sites.yaml is not YAML"),
        ("silver/sites.yaml", "name: site_name", "name: y", "columns[1].name is not of type str"),
        ("silver/sites.yaml", "table: sites", "table: places", "is the contract of places: name the file"),
        (
            "silver/readings.yaml",
            "type: timestamp",
            "type: timestamp\n    timezone: Europe/Oz",
            "there is no time zone 'Europe/Oz'",
        ),
        ("silver/sites.yaml", "key: [site_id]", "key: [other]", "document.key is not a list of columns"),
        (
            "gold/site_days.yaml",
            "table: sites}",
            "table: places}",
            "the input places, and there is no such table",
        ),
        ("gold/site_days.yaml", "by: reading_date", "by: day", "inputs[0].by is 'day'"),
        ("gold/site_days.sql", "SELECT", "SELEC", "site_days.sql: is not Spark SQL"),
        ("gold/site_days.sql", "INNER JOIN sites", "INNER JOIN places", "reads places, which the contract"),
        ("gold/daily_readings.sql", "FROM readings", "FROM (SELECT 1) AS t", "does not read readings"),
        (
            "gold/daily_readings.sql",
            "device_id,\n",
            "device_id, rand() AS chance,\n",
            "would give other rows",
        ),
        (
            "gold/daily_readings.sql",
            "reading_date,\n",
            "current_date() AS reading_date,\n",
            "would give other rows",
        ),
        (
            "gold/daily_readings.sql",
            "min(celsius) AS coldest,",
            "",
            "gives the columns reading_date, device_id",
        ),
        ("gold/daily_readings.sql", "min(celsius)", "min(kelvin)", "reads kelvin, and readings has no such"),
        (
            "gold/site_days.sql",
            "sites.warns_from AS",
            "sites.limit AS",
            "reads sites.limit, and sites has no such",
        ),
        ("gold/daily_readings.sql", "-- What", "DROP TABLE readings; -- What", "is not one SELECT"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(
    file: str, old: str, new: str, sentence: str, tmp_path: Path
) -> None:
    own = Path(shutil.copytree(REPO / "examples" / "sensors", tmp_path / "own"))
    text = (own / file).read_text()
    assert old in text
    (own / file).write_text(text.replace(old, new, 1))
    with pytest.raises(ToolError) as caught:
        load_dataset(own)
    assert sentence in str(caught.value)
    assert str(own / Path(file).parent) in str(caught.value)


ROWS = "def rows(spark, inputs):\n    return inputs['readings']\n"


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (ROWS, ""),
        ("def rows(spark, inputs, *, day=None): ...", ""),
        ("def rows(*both): ...", ""),
        ("def row(spark, inputs): ...", "has no function rows(spark, inputs)"),
        ("def rows(inputs): ...", "has no function rows(spark, inputs)"),
        ("def rows(spark, inputs, day): ...", "has no function rows(spark, inputs)"),
        ("def rows(spark, inputs, *, day): ...", "has no function rows(spark, inputs)"),
        ("def rows(:", "is not Python: "),
        ("\0", "is not Python: "),
        ("(" * 3000, "is "),
        (f"import random\n{ROWS}", "has random in line 1: the same inputs would give other rows each time"),
        (f"from uuid import uuid4\n{ROWS}", "has uuid in line 1"),
        (ROWS.replace("]", "].where(F.rand() > 0.5)"), "has rand in line 2"),
    ],
    ids=lambda text: text[:30],
)
def test_a_function_is_looked_at_before_it_runs(module: str, sentence: str, tmp_path: Path) -> None:
    own = Path(shutil.copytree(REPO / "examples" / "sensors", tmp_path / "own"))
    (own / "gold" / "site_days.sql").unlink()
    (own / "gold" / "site_days.py").write_text(module)
    if not sentence:
        assert load_dataset(own).gold["site_days"].python == module
        return
    with pytest.raises(ToolError) as caught:
        load_dataset(own)
    assert f"{own}/gold/site_days.py: {sentence}" in str(caught.value)


@pytest.mark.parametrize("beside", [[], ["sql", "py"]])
def test_a_gold_table_is_made_in_one_way(beside: list[str], tmp_path: Path) -> None:
    own = Path(shutil.copytree(REPO / "examples" / "sensors", tmp_path / "own"))
    (own / "gold" / "site_days.sql").unlink()
    for suffix in beside:
        (own / "gold" / f"site_days.{suffix}").write_text(ROWS)
    with pytest.raises(ToolError, match=rf"site_days\.yaml is made in {len(beside) or 'no'} ways"):
        load_dataset(own)


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        ("silver/sites.yaml", b"\xff", "sites.yaml is not YAML"),
        ("silver/sites.yaml", b"[" * 2000, "sites.yaml is nested too deep"),
        ("gold/site_days.sql", b"SELECT \xff", "site_days.sql is not UTF-8"),
        (
            "gold/site_days.sql",
            b"SELECT " + b"(" * 3000 + b"1" + b")" * 3000,
            "site_days.sql: is nested too deep",
        ),
        ("gold/site_days.sql", b"", "is not one SELECT"),
    ],
    ids=["yaml encoding", "yaml depth", "sql encoding", "sql depth", "empty"],
)
def test_what_cannot_be_read_is_named(file: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    own = Path(shutil.copytree(REPO / "examples" / "sensors", tmp_path / "own"))
    (own / file).write_bytes(content)
    with pytest.raises(ToolError) as caught:
        load_dataset(own)
    assert sentence in str(caught.value)


def test_a_folder_is_no_data_set_without_a_silver_table(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"is no data set: it has no silver/<table>\.yaml"):
        load_dataset(tmp_path)


def test_a_contract_lies_where_its_kind_does(tmp_path: Path) -> None:
    own = Path(shutil.copytree(REPO / "examples" / "sensors", tmp_path / "own"))
    (own / "gold" / "sites.sql").write_text("SELECT 1")
    (own / "silver" / "sites.yaml").rename(own / "gold" / "sites.yaml")
    with pytest.raises(ToolError, match=r"sites\.yaml: The contract's document\.inputs"):
        load_dataset(own)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_generator_makes_files_below_the_prefixes_of_its_tables(name: str) -> None:
    folder = folder_of(f"examples/{name}")
    generator = load_generator(folder)
    if generator is None:
        pytest.skip("it has none")
    silver = load_dataset(folder).silver
    deliveries = generator.deliveries(200, 1)
    assert deliveries.keys() <= silver.keys()
    for table, files in deliveries.items():
        for truth, chunks in files:
            assert truth.key.startswith(silver[table].raw().prefix)
            assert b"".join(chunks)


def test_a_data_set_may_have_no_generator(tmp_path: Path) -> None:
    assert load_generator(tmp_path) is None
    (tmp_path / "generate.py").write_text("")
    with pytest.raises(ToolError, match="has no function deliveries"):
        load_generator(tmp_path)


def test_samples_are_delivered_to_their_own_tables(tmp_path: Path) -> None:
    own = Path(shutil.copytree(REPO / "examples" / "sensors", tmp_path / "own"))
    (own / "generate.py").unlink()
    assert deliveries(own, 1, 1) == {}
    for table, header in (("sites", "site_id,site_name,warns_from"), ("devices", "device_id;site_id")):
        (own / "samples" / table).mkdir(parents=True)
        (own / "samples" / table / "a.csv").write_text(f"{header}\nx,y\n")
        (own / "samples" / table / ".DS_Store").write_text("")
    found = {table: [truth for truth, _ in files] for table, files in deliveries(own, 1, 1).items()}
    assert {table: [(it.key, it.rows) for it in files] for table, files in found.items()} == {
        "sites": [("incoming/sites/a.csv", 1)],
        "devices": [("incoming/devices/a.csv", 1)],
    }
