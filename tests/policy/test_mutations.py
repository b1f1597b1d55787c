"""The test of the gates can itself fail; the mutations themselves run as a gate of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.scan.model import ScanError
from scripts.scan.mutations import GATES, Mutation, Trial, mutate, read_mutations
from scripts.toolchain.toolchain import REPO

KEY = Mutation(
    name="key_planted",
    weakens="a key is in the open",
    file="settings.txt",
    old="key = none",
    new="key = {access key}",
    gate="secrets",
    rule="CKV_SECRET_2",
)
QUEUE = Mutation(
    name="queue_unencrypted",
    weakens="messages are stored in the clear",
    file="terraform/modules/queue/main.tf",
    old='  kms_master_key_id = "alias/example"\n',
    new="",
    gate="source",
    rule="CKV_AWS_27",
)


HARMLESS = replace(KEY, name="key_absent", new="key = absent")
LONGER = replace(QUEUE, name="queue_slow", new=QUEUE.old + "  delay_seconds = 1\n")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A small repository whose code is sound."""
    module = tmp_path / "repo" / "terraform" / "modules" / "queue"
    module.mkdir(parents=True)
    (module / "main.tf").write_text(f'resource "aws_sqs_queue" "this" {{\n  name = "q"\n{QUEUE.old}}}\n')
    (tmp_path / "repo" / "sql").mkdir()
    (tmp_path / "repo" / "settings.txt").write_text("key = none\n")
    return tmp_path / "repo"


def verdicts(repo: Path, *mutations: Mutation) -> dict[str, str]:
    return {mutation.name: why for mutation, why in Trial(mutations, repo, repo.parent / "work").run()}


def test_what_a_gate_turns_red_for_is_caught_and_what_none_does_is_missed(repo: Path) -> None:
    assert verdicts(repo, KEY, QUEUE, HARMLESS, LONGER) == {
        "key_planted": "",
        "queue_unencrypted": "",
        "key_absent": "not caught",
        "queue_slow": "not caught",
    }


def test_code_that_is_red_already_proves_nothing(repo: Path) -> None:
    path = repo / QUEUE.file
    path.write_text(path.read_text() + '\nresource "aws_sqs_queue" "other" {\n  name = "o"\n}\n')
    assert "nothing is proven" in verdicts(repo, QUEUE)["queue_unencrypted"]


@pytest.mark.parametrize("text", ["", "key = none\nkey = none\n"])
def test_an_edit_that_does_not_fit_once_is_stale(repo: Path, text: str) -> None:
    (repo / KEY.file).write_text(text)
    with pytest.raises(ScanError, match="key_planted is stale"):
        mutate(KEY, repo)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("- name: a\n", "missing"),
        ("- {name: A b, weakens: w, file: f, old: o, new: n, gate: plan, rule: r}\n", "no name"),
        ("- {name: a, weakens: w, file: f, old: o, new: n, gate: eyes, rule: r}\n", "no gate 'eyes'"),
    ],
)
def test_half_a_mutation_is_refused(tmp_path: Path, entry: str, words: str) -> None:
    path = tmp_path / "mutations.yaml"
    path.write_text(entry)
    with pytest.raises(ScanError, match=words):
        read_mutations(path)


def test_our_mutations_fit_the_code_and_try_every_gate() -> None:
    mutations = read_mutations()
    assert len(mutations) >= 40
    assert {mutation.gate for mutation in mutations} == set(GATES)
    for mutation in mutations:
        mutate(mutation, REPO)


def test_every_check_of_ours_catches_one() -> None:
    """A check that no mutation can turn red does not check anything of the kit."""
    tried = {mutation.rule for mutation in read_mutations()}
    fixtures = Path(__file__).with_name("fixtures")
    ours = {f"CKV_CUSTODY_{int(path.name.split('_')[0])}" for path in fixtures.iterdir()}
    assert ours - tried == set()
